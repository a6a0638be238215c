"""Hostile statements by what they are after: each goes to SQLite and to PostgreSQL, and must change nothing."""

from __future__ import annotations

REACHING_OUT = """
ATTACH DATABASE '{new}' AS o
ATTACH DATABASE '{other}' AS o
ATTACH DATABASE 'file:{new}?mode=rwc' AS o
SELECT 1; ATTACH DATABASE '{new}' AS o
DETACH DATABASE main
VACUUM INTO '{new}'
VACUUM
PRAGMA query_only = OFF
PRAGMA writable_schema = ON
PRAGMA journal_mode = DELETE
PRAGMA temp_store_directory = '{folder}'
SELECT load_extension('{new}')
SELECT writefile('{new}', 'x')
SELECT readfile('{canary}')
SELECT edit('x', 'touch {new}')
SELECT fts3_tokenizer('simple', x'4141414141414141')
CREATE TEMP TABLE t (x)
INSERT INTO notes (id) VALUES (99) RETURNING id
"""
"""The eighteen of ``mode=ro``: all of them are refused (threats, section on SQL)."""

STACKED = """
SELECT 1; DELETE FROM notes
SELECT 1;; DELETE FROM notes
SELECT 1; COMMIT; DELETE FROM notes
COMMIT; DELETE FROM notes
COMMIT; DROP SCHEMA public CASCADE;
COMMIT/**/;/**/DELETE FROM notes
END; DELETE FROM notes
ROLLBACK; DELETE FROM notes
ROLLBACK AND CHAIN; DELETE FROM notes
ABORT; DELETE FROM notes
COMMIT
ROLLBACK
BEGIN; DELETE FROM notes; COMMIT
START TRANSACTION READ WRITE
SAVEPOINT s
ROLLBACK TO SAVEPOINT s
RELEASE SAVEPOINT s
PREPARE TRANSACTION 'x'
COMMIT PREPARED 'x'
SET TRANSACTION READ WRITE
SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE
SET default_transaction_read_only = off
SET LOCAL transaction_read_only = off
RESET ALL
DISCARD ALL
SELECT 1 -- x\u2028; DELETE FROM notes
SELECT 1 /* ; */ ; DELETE FROM notes
SELECT ';' ; DELETE FROM notes
SELECT $$;$$ ; DELETE FROM notes
SELECT 1; RENAME TABLE notes TO gone
SELECT 1\uff1b DELETE FROM notes
"""

WRITING = """
INSERT INTO notes (id) VALUES (99)
INSERT INTO notes (id) SELECT 99
UPDATE notes SET body = 'x'
UPDATE notes SET body = 'x' RETURNING *
DELETE FROM notes
DELETE FROM notes RETURNING *
REPLACE INTO notes (id) VALUES (1)
TRUNCATE notes
MERGE INTO notes USING (SELECT 1) s ON true WHEN MATCHED THEN DELETE
WITH x AS (INSERT INTO notes (id) VALUES (99) RETURNING id) SELECT * FROM x
WITH x AS (UPDATE notes SET body = 'x' RETURNING id) SELECT * FROM x
WITH x AS (DELETE FROM notes RETURNING *) SELECT * FROM x
WITH x AS (DELETE FROM notes) SELECT 1
WITH x AS (SELECT 99) INSERT INTO notes (id) SELECT * FROM x
WITH x AS (SELECT 1) DELETE FROM notes
SELECT * FROM (DELETE FROM notes RETURNING *) AS x
SELECT (DELETE FROM notes RETURNING id)
SELECT * INTO gone FROM notes
SELECT * INTO TEMP gone FROM notes
WITH x AS (SELECT * INTO gone FROM notes) SELECT 1
CREATE TABLE gone AS SELECT * FROM notes
CREATE TABLE gone (x int)
CREATE VIEW gone AS SELECT 1
CREATE MATERIALIZED VIEW gone AS SELECT 1
CREATE FUNCTION gone() RETURNS int LANGUAGE sql AS 'SELECT 1'
CREATE TRIGGER g AFTER INSERT ON notes BEGIN SELECT 1; END
CREATE VIRTUAL TABLE gone USING fts5(x)
CREATE EXTENSION dblink
CREATE ROLE gone SUPERUSER
ALTER ROLE reader SUPERUSER
ALTER TABLE notes RENAME TO gone
ALTER SYSTEM SET log_statement = 'all'
DROP TABLE notes
DROP DATABASE shop
GRANT ALL ON secret TO reader
REINDEX TABLE notes
ANALYZE
CLUSTER notes
COMMENT ON TABLE notes IS 'x'
LOCK TABLE notes IN ACCESS EXCLUSIVE MODE
REFRESH MATERIALIZED VIEW open_notes
SECURITY LABEL ON TABLE notes IS 'x'
SELECT * FROM notes FOR UPDATE
SELECT * FROM notes FOR NO KEY UPDATE NOWAIT
SELECT * FROM notes FOR SHARE
SELECT * FROM (SELECT * FROM notes FOR UPDATE) AS x
SELECT nextval('ticket')
SELECT setval('ticket', 9999)
SELECT nextval('ticket'::regclass)
SELECT lo_create(77)
SELECT lo_unlink(4242)
SELECT lo_put(4242, 0, 'x')
SELECT lo_from_bytea(78, 'x')
SELECT public.wipe(notes) FROM notes
SELECT wipe(notes) FROM notes
SELECT notes.wipe FROM notes
SELECT (notes).wipe FROM notes
SELECT (n).wipe FROM notes AS n
INSERT INTO sqlite_master VALUES (1)
UPDATE sqlite_master SET sql = ''
UPDATE pg_catalog.pg_authid SET rolsuper = true
EXPLAIN ANALYZE DELETE FROM notes
EXPLAIN (ANALYZE) DELETE FROM notes
EXPLAIN SELECT 1
DO $$ BEGIN DELETE FROM notes; END $$
DO LANGUAGE plpgsql 'BEGIN DELETE FROM notes; END'
CALL gone()
EXECUTE gone
PREPARE gone AS DELETE FROM notes
DECLARE c CURSOR FOR SELECT 1
FETCH ALL FROM c
NOTIFY x
LISTEN x
LOAD '{new}'
IMPORT FOREIGN SCHEMA x FROM SERVER y INTO z
"""

FILES = """
COPY notes TO '{new}'
COPY notes FROM '{canary}'
COPY (SELECT 'x') TO '{new}'
COPY notes TO PROGRAM 'touch {new}'
COPY (SELECT 1) TO STDOUT
SELECT pg_read_file('{canary}')
SELECT pg_catalog.pg_read_file('{canary}')
SELECT "pg_read_file"('{canary}')
SELECT "pg_catalog"."pg_read_file"('{canary}')
SELECT U&"pg_read_fil\\0065"('{canary}')
SELECT * FROM pg_read_file('{canary}')
SELECT * FROM pg_catalog.pg_read_file('{canary}') AS x
SELECT * FROM notes, pg_read_file('{canary}')
SELECT * FROM notes, LATERAL pg_read_file('{canary}') AS x
SELECT * FROM notes JOIN pg_read_file('{canary}') AS x ON true
SELECT * FROM ROWS FROM (pg_read_file('{canary}'), pg_ls_dir('{folder}'))
SELECT * FROM pg_ls_dir('{folder}') WITH ORDINALITY
SELECT pg_read_binary_file('{canary}')
SELECT pg_stat_file('{canary}')
SELECT pg_ls_dir('{folder}')
SELECT pg_ls_logdir()
SELECT pg_ls_waldir()
SELECT lo_import('{canary}')
SELECT lo_export(4242, '{new}')
SELECT lo_get(4242)
SELECT loread(lo_open(4242, 262144), 100)
SELECT * FROM dblink('host=127.0.0.1', 'DELETE FROM notes') AS t(x int)
SELECT dblink_exec('host=127.0.0.1', 'DELETE FROM notes')
SELECT xpath('/x', xmlparse(document '<!DOCTYPE x [<!ENTITY e SYSTEM "file://{canary}">]><x>&e;</x>'))
SELECT * FROM '{canary}'
SELECT * FROM "{canary}"
SELECT * FROM read_csv('{canary}')
SELECT zipfile('{canary}')
SELECT * FROM fsdir('{folder}')
SELECT pg_file_write('{new}', 'x', false)
SELECT pg_logfile_rotate()
SELECT adminpack('x')
"""

READING = """
SELECT * FROM secret
SELECT pass FROM public.secret
SELECT "pass" FROM "public"."secret"
TABLE secret
SELECT * FROM ONLY secret
SELECT * FROM secret TABLESAMPLE SYSTEM (100)
SELECT (SELECT pass FROM secret)
SELECT 1 FROM notes WHERE EXISTS (SELECT 1 FROM secret WHERE pass LIKE 'h%')
SELECT 1 UNION SELECT pass FROM secret
SELECT 1 EXCEPT SELECT length(pass) FROM secret
SELECT id FROM notes ORDER BY (SELECT pass FROM secret)
SELECT count(*) FILTER (WHERE EXISTS (SELECT 1 FROM secret)) FROM notes
SELECT max(id) OVER (ORDER BY (SELECT pass FROM secret)) FROM notes
SELECT id FROM notes LIMIT (SELECT length(pass) FROM secret)
SELECT id FROM notes GROUP BY id HAVING (SELECT count(*) FROM secret) > 0
WITH notes AS (SELECT * FROM secret) SELECT * FROM notes
WITH secret AS (SELECT 1 AS pass) SELECT * FROM public.secret
SELECT * FROM secret, (WITH secret AS (SELECT 1) SELECT * FROM secret) AS x
SELECT * FROM pg_authid, (WITH pg_authid AS (SELECT 1) SELECT * FROM pg_authid) AS x
SELECT * FROM (SELECT * FROM secret) AS notes
SELECT * FROM notes NATURAL JOIN secret
SELECT * FROM pg_authid
SELECT * FROM pg_catalog.pg_authid
SELECT rolpassword FROM "pg_catalog"."pg_authid"
SELECT * FROM pg_shadow
SELECT * FROM pg_roles
SELECT * FROM pg_user
SELECT * FROM pg_user_mappings
SELECT * FROM pg_stat_activity
SELECT * FROM pg_settings
SELECT * FROM pg_hba_file_rules
SELECT * FROM pg_file_settings
SELECT * FROM pg_stats
SELECT * FROM pg_class
SELECT * FROM pg_proc
SELECT * FROM pg_largeobject
SELECT * FROM pg_subscription
SELECT * FROM pg_foreign_server
SELECT * FROM information_schema.tables
SELECT * FROM INFORMATION_SCHEMA.COLUMNS
SELECT * FROM pg_temp.notes
SELECT * FROM shop.public.secret
SELECT * FROM other.public.secret
SELECT * FROM main.secret
SELECT * FROM temp.secret
SELECT * FROM sqlite_master
SELECT * FROM sqlite_schema
SELECT * FROM sqlite_temp_schema
SELECT * FROM sqlite_sequence
SELECT * FROM sqlite_dbpage
SELECT * FROM sqlite_stmt
SELECT * FROM dbstat
SELECT * FROM pragma_database_list
SELECT * FROM pragma_table_info('secret')
SELECT * FROM pragma_query_only('0')
SELECT * FROM pragma_function_list
SELECT * FROM json_each('[1]')
SELECT * FROM json_tree('[1]')
SELECT * FROM bytecode('SELECT 1')
SELECT * FROM fts5vocab
SELECT * FROM index_content
SELECT * FROM index_data
SELECT * FROM places_node
SELECT rtreenode(2, data) FROM places_node
SELECT snippet(index_fts) FROM index_fts
SELECT "pass" FROM notes
SELECT `pass` FROM `secret`
SELECT [pass] FROM [secret]
SELECT secret.pass FROM notes
SELECT query_to_xml('SELECT * FROM secret', true, true, '')
SELECT query_to_xml_and_xmlschema('DELETE FROM notes', true, true, '')
SELECT cursor_to_xml('c', 1, true, true, '')
SELECT database_to_xml(true, true, '')
SELECT schema_to_xml('public', true, true, '')
SELECT table_to_xml('secret', true, true, '')
SELECT current_setting('hba_file')
SELECT current_setting('data_directory')
SELECT set_config('default_transaction_read_only', 'off', false)
SELECT set_config('search_path', 'public', false)
SELECT set_config('role', 'boss', false)
SHOW ALL
SHOW hba_file
SET ROLE boss
SET SESSION AUTHORIZATION boss
RESET ROLE
SET row_security = off
SELECT 'secret'::regclass
SELECT 'pg_authid'::regclass::oid
SELECT CAST('boss' AS regrole)
SELECT 'lower'::regproc
SELECT 1260::oid::regclass
SELECT "regclass" 'secret'
SELECT regclass 'secret'
SELECT pg_catalog.regclass 'secret'
SELECT 'x'::public.mood
SELECT '<x/>'::xml
SELECT pg_get_viewdef('open_notes')
SELECT pg_get_functiondef(1)
SELECT has_table_privilege('secret', 'SELECT')
SELECT to_regclass('secret')
SELECT obj_description(1)
SELECT pg_relation_filepath('notes')
SELECT pg_postmaster_start_time()
SELECT inet_server_addr()
SELECT version()
SELECT current_user, session_user, current_catalog, current_schema, user
SELECT CURRENT_ROLE
SELECT peek()
SELECT public.peek()
SELECT "peek"()
SELECT * FROM peek()
SELECT * FROM peek() AS x
SELECT lower(notes) FROM notes
SELECT public.lower(notes) FROM notes
SELECT lower(n) FROM notes AS n
SELECT 1 <<< 2
SELECT 1 OPERATOR(public.<<<) 2
SELECT 1 OPERATOR(public.||) 2
SELECT 1 OPERATOR(pg_catalog.+) 2
SELECT 1 || 2
SELECT E'\\x68unter2' FROM secret
SELECT U&'\\0061' FROM secret
SELECT E'\\' , (SELECT pass FROM secret) , E'\\''
SELECT '\\' , (SELECT pass FROM secret) -- '
SELECT $a$ $b$ $a$ , (SELECT pass FROM secret)
SELECT N'x', B'1', X'ff', (SELECT pass FROM secret)
SELECT 1 /*! UNION SELECT pass FROM secret */
SELECT 1 /*!50000 UNION SELECT pass FROM secret */
SELECT 1 /* /* */ UNION SELECT pass FROM secret /* */ */
SELECT 1 /* x */ /**/ UNION SELECT pass FROM secret
SELECT 1 -- \r UNION SELECT pass FROM secret
SELECT/**/pass/**/FROM/**/secret
\ufeffSELECT pass FROM secret
\u00a0SELECT pass FROM secret
\uff33\uff25\uff2c\uff25\uff23\uff34 pass FROM secret
SELECT pass FROM \uff53ecret
FROM secret
FROM secret SELECT pass
SELECT * FROM notes PIVOT (count(pass) FOR pass IN ('x'))
SELECT {fn user()}
SELECT @@version
SELECT :secret::text FROM secret
SELECT $pass$hunter$pass$ || pass FROM secret
(((SELECT pass FROM secret)))
VALUES ((SELECT pass FROM secret))
SELECT x FROM (VALUES ((SELECT pass FROM secret))) AS v(x)
SELECT CASE WHEN (SELECT count(*) FROM secret) = 1 THEN 1 ELSE 1/0 END
SELECT COALESCE(NULL, (SELECT pass FROM secret))
SELECT ARRAY(SELECT pass FROM secret)
SELECT ROW(secret.*) FROM secret
SELECT id = ANY (SELECT length(pass) FROM secret) FROM notes
"""

HARMING = """
SELECT pg_sleep(60)
SELECT * FROM pg_sleep(60)
SELECT pg_sleep_for('1 minute')
SELECT pg_terminate_backend(1)
SELECT pg_cancel_backend(1)
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
SELECT pg_advisory_lock(1)
SELECT pg_notify('x', 'y')
SELECT pg_reload_conf()
SELECT pg_switch_wal()
SELECT pg_create_restore_point('x')
SELECT pg_logical_emit_message(true, 'x', 'y')
SELECT pg_stat_reset()
SELECT pg_backend_pid()
SELECT txid_current()
SELECT count(*) FROM generate_series(1, 1000000000)
SELECT generate_series(1, 1000000000)
SELECT repeat('x', 1000000000)
SELECT lpad('x', 1000000000)
SELECT rpad('x', 1000000000)
SELECT replace(replace(replace('aaaaaaaa','a','aaaaaaaaaaaaaaaa'),'a','aaaaaaaaaaaaaaaa'),'a','aaaaaaaaaaaaaaaa')
SELECT format('%1000000000s', 'x')
SELECT printf('%1000000000d', 1)
SELECT zeroblob(1000000000)
SELECT randomblob(1000000000)
SELECT hex(zeroblob(1000000000))
SELECT 'x'::char(10485760)
SELECT CAST('x' AS char(10485760)) || CAST('x' AS char(10485760))
SELECT regexp_matches('x', '(x+x+)+y')
SELECT 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' ~ '(a+)+$'
SELECT 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' SIMILAR TO '(a+)+b'
SELECT string_agg(a.body, b.body) FROM notes a, notes b
SELECT array_agg(id) FROM notes
SELECT a.id FROM notes a GROUP BY CUBE (a.id, a.body, a.score, a.done)
WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c
WITH RECURSIVE c(x) AS (SELECT 'x' UNION ALL SELECT x || x FROM c) SELECT length(x) FROM c
WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT c.x + d.x FROM c, c AS d) SELECT count(*) FROM c
WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT sum(x) OVER (ORDER BY x) FROM c
"""

CATEGORIES = {
    "reaching out": REACHING_OUT,
    "stacked": STACKED,
    "writing": WRITING,
    "files": FILES,
    "reading": READING,
    "harming": HARMING,
}
_DOUBLED = "(SELECT x || x AS x FROM " * 20 + "(SELECT body AS x FROM notes) AS q" + ") AS q" * 20
_TRIPLED = ", ".join(f"c{number} AS (SELECT x || x || x AS x FROM c{number - 1})" for number in range(1, 25))
GROWING = [f"SELECT x FROM {_DOUBLED}", f"WITH c0 AS (SELECT body AS x FROM notes), {_TRIPLED} SELECT x FROM c24"]
"""Folded into one expression these are 2**20 and 3**24 columns; neither SQLite nor PostgreSQL looks at a clock while it
plans, so that the grammar is the only wall: never to be sent without it."""
UNSTOPPABLE = ["SELECT format('%1000000000s', 'x')"]
"""PostgreSQL does not look at the clock within these either."""
BUILT = [
    "SELECT count(*) FROM app.orders a" + "".join(f", app.orders t{number}" for number in range(6)),
    "SELECT " + "(" * 2_000 + "1" + ")" * 2_000,
    "SELECT " + "NOT " * 900 + "true",
    "SELECT 1" + " UNION SELECT 1" * 400,
    "SELECT body LIKE '" + "%a" * 400 + "' FROM notes",
    "SELECT " + "-- x\n" * 10_000 + "1",
    "SELECT '" + "x" * 100_000 + "'",
    "SELECT * FROM notes WHERE id IN (" + "1," * 5_000 + "1)",
    *GROWING,
    "SELECT " + "CASE WHEN true THEN " * 200 + "1" + " END" * 200,
    "SELECT 1 # \n UNION SELECT pass FROM secret",
    "SELECT 1 --\n UNION SELECT pass FROM secret",
    "SELECT \x00; DELETE FROM notes",
    "SELECT '\ud800'",
    "\ud800",
    "",
    ";",
    "/*",
    "'",
    '"',
    "$$",
]  # fmt: skip
PROBES = [(category, line) for category, lines in CATEGORIES.items() for line in lines.strip("\n").split("\n")]
PROBES += [("built", text) for text in BUILT]


def filled(text: str, folder: str, other: str) -> str:
    """A probe with this test's own files in it: a canary to read, names to create, another database."""
    for name, value in {"new": f"{folder}/new.txt", "canary": f"{folder}/canary.txt", "other": other}.items():
        text = text.replace("{" + name + "}", value)
    return text.replace("{folder}", folder)
