"""Statements that do more than read the server's own database, as data."""

from __future__ import annotations

from dataclasses import dataclass

from holdfast_attack.cases.spelled import Spelled
from holdfast_attack.model import Severity
from holdfast_attack.model.case import advisory, measured

READ_ONLY = "open it read only, take one statement, and allow only what an authorizer lists (sqlite3_set_authorizer)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt(Spelled):
    """``changes``: the statements would change the server's own database, so they go only to tools that say they
    read; the others reach what no tool's database holds."""

    statements: tuple[str, ...]
    changes: bool = False
    severity: Severity = Severity.CRITICAL
    remedy: str = READ_ONLY


ATTEMPTS = (
    Attempt(
        name="write",
        title="A tool that reads changes nothing",
        sends="statements that insert, change, delete, make and drop, also behind WITH",
        statements=(
            "WITH old AS (SELECT 1) UPDATE pet SET age = 99",
            "DELETE FROM pet",
            "INSERT INTO pet (name, age) VALUES ('Mallory', 1) RETURNING name",
            "CREATE TABLE made (x)",
            "DROP TABLE pet",
            "REPLACE INTO pet (name, age) VALUES ('Mallory', 1)",
            "ALTER TABLE pet ADD COLUMN made",
            "EXPLAIN ANALYZE DELETE FROM pet",
        ),
        reference=advisory("CVE-2026-130008; the tool is annotated readOnlyHint (MCP 2025-11-25, server/tools)"),
        changes=True,
    ),
    Attempt(
        name="stacked",
        title="A second statement behind the first does not run",
        sends="SELECT, and behind a semicolon a statement that changes something",
        statements=(
            "SELECT name, age FROM pet; DELETE FROM pet",
            "SELECT 1; UPDATE pet SET age = 99",
            "SELECT 1;; DROP TABLE pet; --",
            "SELECT ';'; DELETE FROM pet",
        ),
        reference=advisory("CVE-2026-130008, CVE-2026-48774 (a statement stacked behind a SELECT)"),
        changes=True,
        advisories=("CVE-2026-130008", "CVE-2026-48774"),
    ),
    Attempt(
        name="commit-first",
        title="COMMIT does not end the transaction that was to be read only",
        sends="COMMIT or ROLLBACK, and behind it a statement that changes something",
        statements=(
            "COMMIT; DELETE FROM pet",
            "ROLLBACK; BEGIN; DELETE FROM pet; COMMIT",
            "END; UPDATE pet SET age = 99",
            "COMMIT; BEGIN READ WRITE; DELETE FROM pet; COMMIT",
        ),
        reference=advisory("server-postgres 0.6.2: COMMIT; ends the transaction that was to be read only"),
        changes=True,
        advisories=("server-postgres-0.6.2",),
    ),
    Attempt(
        name="pragma",
        title="A setting does not lift the guard",
        sends="PRAGMA query_only=OFF and a statement that changes something; PRAGMAs that write by themselves",
        statements=(
            "PRAGMA user_version=77",
            "PRAGMA query_only=OFF",
            "DELETE FROM pet",
            "PRAGMA query_only=OFF; DELETE FROM pet",
            "PRAGMA journal_mode=WAL",
            "PRAGMA application_id=77",
            "PRAGMA writable_schema=ON; DELETE FROM sqlite_master",
            "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE; DELETE FROM pet",
        ),
        reference=measured("SQLite: query_only can be switched off by the statement that it should stop"),
        changes=True,
        quick=4,
    ),
    Attempt(
        name="comment",
        title="Comments do not hide a statement from the guard",
        sends="statements that change something, within or behind comments and empty space",
        statements=(
            "/* SELECT */ DELETE FROM pet",
            "-- SELECT\nDELETE FROM pet",
            "SELECT 1 /* */ ; /* */ DELETE /* */ FROM pet",
            "SELECT 1 /*! ; DELETE FROM pet */",
            "\ufeffDELETE FROM pet",
            "(SELECT 1) ;\v DELETE FROM pet",
        ),
        reference=advisory("CVE-2026-48774 (a list of forbidden words); measured: parsers disagree on /*! */"),
        changes=True,
        advisories=("CVE-2026-48774",),
    ),
    Attempt(
        name="attach",
        title="No other database is attached",
        sends="ATTACH of a database outside, and of one that is not there yet",
        statements=(
            "ATTACH DATABASE '{marker}' AS made",
            "ATTACH DATABASE '{outside}/other.db' AS p",
            "SELECT value FROM p.secrets",
            "ATTACH DATABASE '{outside}/other.db' AS o; SELECT value FROM o.secrets",
            "ATTACH DATABASE '{marker}' AS made; CREATE TABLE made.t (x)",
            "SELECT * FROM '{outside}/other.db'.secrets",
        ),
        reference=advisory("CVE-2026-130008 (ATTACH); measured: mode=ro lets ATTACH read, write and make other files"),
        quick=4,
        advisories=("CVE-2026-130008",),
    ),
    Attempt(
        name="vacuum-into",
        title="The database is not copied to a file",
        sends="VACUUM INTO with the name of a new file, and COPY TO",
        statements=(
            "VACUUM INTO '{marker}'",
            "SELECT 1; VACUUM INTO '{marker}'",
            "COPY (SELECT 1) TO '{marker}'",
            "SELECT 1 INTO OUTFILE '{marker}'",
        ),
        reference=measured("SQLite: VACUUM INTO writes a new file though the database was opened with mode=ro"),
    ),
    Attempt(
        name="function-file",
        title="No function reads or writes files",
        sends="readfile, writefile, pg_read_file, read_text and the like, in SELECT and in FROM",
        statements=(
            "SELECT readfile('{outside}/secret.txt')",
            "SELECT * FROM read_text('{outside}/secret.txt')",
            "SELECT writefile('{marker}', 'x')",
            "SELECT pg_read_file('{outside}/secret.txt')",
            "SELECT load_file('{outside}/secret.txt')",
            "SELECT * FROM '{outside}/secret.txt'",
            "SELECT * FROM read_csv('{outside}/secret.txt', header=false)",
            "SELECT * FROM fsdir('{outside}')",
            "SELECT * FROM pg_ls_dir('{outside}')",
            "SELECT edit('x', 'touch {marker};true')",
        ),
        reference=advisory("CVE-2026-85620 (functions that stand in FROM)"),
        remedy="allow functions and tables by a list, over the whole statement",
        advisories=("CVE-2026-85620",),
    ),
)
