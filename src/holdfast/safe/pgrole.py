"""The role that a server queries PostgreSQL as: refused when it could do more than a reader of tables should."""

from __future__ import annotations

from typing import Any, Final

from holdfast.errors import ConfigurationError

_MINE = """
WITH mine AS (SELECT r.* FROM pg_catalog.pg_roles r WHERE pg_catalog.pg_has_role(session_user, r.oid, 'MEMBER'))
"""
"""The role and all that it is a member of, through others and without inheriting too: it could SET ROLE to each."""
_DANGEROUS: Final = f"""{_MINE}
SELECT 'is a superuser' FROM mine WHERE rolsuper
UNION ALL SELECT 'may create roles' FROM mine WHERE rolcreaterole
UNION ALL SELECT 'may create databases' FROM mine WHERE rolcreatedb
UNION ALL SELECT 'may replicate' FROM mine WHERE rolreplication
UNION ALL SELECT 'bypasses row security' FROM mine WHERE rolbypassrls
UNION ALL SELECT 'is a member of ' || rolname FROM mine WHERE oid < 16384 AND rolname LIKE 'pg\\_%' AND NOT rolsuper
UNION ALL SELECT 'owns this database' FROM pg_catalog.pg_database d JOIN mine ON mine.oid = d.datdba
 WHERE d.datname = pg_catalog.current_database()
UNION ALL SELECT 'owns a table with row security, which does not hold for owners' FROM pg_catalog.pg_class c
  JOIN mine ON mine.oid = c.relowner WHERE c.relrowsecurity AND NOT c.relforcerowsecurity
UNION ALL SELECT 'may call ' || p.proname FROM pg_catalog.pg_proc p
  JOIN pg_catalog.pg_init_privs i ON i.classoid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND i.objoid = p.oid
 WHERE NOT EXISTS (SELECT FROM pg_catalog.aclexplode(i.initprivs) a WHERE a.grantee = 0)
   AND EXISTS (SELECT FROM mine WHERE pg_catalog.has_function_privilege(mine.oid, p.oid, 'EXECUTE'))
UNION ALL SELECT 'may read passwords' FROM mine
 WHERE pg_catalog.has_any_column_privilege(mine.oid, 'pg_catalog.pg_authid', 'SELECT')
UNION ALL SELECT 'may read ' || c.relname FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_init_privs i ON i.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass AND i.objoid = c.oid
 WHERE i.objsubid = 0 AND c.relnamespace = 'pg_catalog'::pg_catalog.regnamespace AND c.relkind IN ('r', 'v')
   AND NOT EXISTS (SELECT FROM pg_catalog.aclexplode(i.initprivs) a WHERE a.grantee = 0 AND a.privilege_type = 'SELECT')
   AND EXISTS (SELECT FROM mine WHERE pg_catalog.has_table_privilege(mine.oid, c.oid, 'SELECT'))
"""  # noqa: S608 # nosec B608 - two constants
"""``pg_init_privs`` remembers what initdb and the extensions kept from PUBLIC: functions that touch files, other
databases or the server itself, and tables that hold passwords, samples of every table, or large objects."""
_WRITES: Final = f"""{_MINE}
SELECT 'may write ' || pg_catalog.count(*)::text || ' tables' FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'v', 'f') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
   AND EXISTS (SELECT FROM mine WHERE pg_catalog.has_any_column_privilege(mine.oid, c.oid, 'INSERT, UPDATE')
     OR pg_catalog.has_table_privilege(mine.oid, c.oid, 'DELETE, TRUNCATE'))
HAVING pg_catalog.count(*) > 0
UNION ALL SELECT 'may create tables in the schema ' || n.nspname FROM pg_catalog.pg_namespace n
 WHERE n.nspname !~ '^pg_'
   AND EXISTS (SELECT FROM mine WHERE pg_catalog.has_schema_privilege(mine.oid, n.oid, 'CREATE'))
UNION ALL SELECT 'may create schemas' FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()
   AND EXISTS (SELECT FROM mine WHERE pg_catalog.has_database_privilege(mine.oid, d.oid, 'CREATE'))
UNION ALL SELECT 'may fill the disk with temporary files: set temp_file_limit for it'
 WHERE pg_catalog.current_setting('temp_file_limit') = '-1'
UNION ALL SELECT 'may open any number of sessions: set its CONNECTION LIMIT' FROM pg_catalog.pg_roles
 WHERE rolname = session_user AND rolconnlimit = -1
"""  # noqa: S608 # nosec B608 - two constants


class RoleRefused(ConfigurationError):
    """The role of ``HOLDFAST_DATABASE`` may do what no tool should be able to."""


async def check_role(connection: Any) -> None:
    """Raise ``RoleRefused`` for a role that could reach beyond its tables; asked on every new connection.

    Memberships count however they come: inherited, through other roles, or only by ``SET ROLE``.
    """
    found = [row[0] for row in await connection.fetch(_DANGEROUS)]
    if found:
        raise RoleRefused(
            f"HOLDFAST_DATABASE: the role {'; '.join(dict.fromkeys(found[:5]))}. "
            "Connect as one that may only read the tables it needs"
        )


async def may_write(connection: Any) -> list[str]:
    """What the role could write: no caller can, but a role that may not is the better wall. One line each."""
    return [f"the database's role {row[0]}" for row in await connection.fetch(_WRITES)]
