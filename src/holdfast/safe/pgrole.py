"""The role that a server queries PostgreSQL as: refused when it could do more than a reader of tables should."""

from __future__ import annotations

from typing import Any, Final

from holdfast.errors import ConfigurationError

_DANGEROUS: Final = """
SELECT 'is a superuser' FROM pg_catalog.pg_roles r
 WHERE r.rolsuper AND pg_catalog.pg_has_role(session_user, r.oid, 'MEMBER')
UNION ALL SELECT 'may create roles' FROM pg_catalog.pg_roles r
 WHERE r.rolcreaterole AND pg_catalog.pg_has_role(session_user, r.oid, 'MEMBER')
UNION ALL SELECT 'may create databases' FROM pg_catalog.pg_roles r
 WHERE r.rolcreatedb AND pg_catalog.pg_has_role(session_user, r.oid, 'MEMBER')
UNION ALL SELECT 'may replicate' FROM pg_catalog.pg_roles r
 WHERE r.rolreplication AND pg_catalog.pg_has_role(session_user, r.oid, 'MEMBER')
UNION ALL SELECT 'bypasses row security' FROM pg_catalog.pg_roles r
 WHERE r.rolbypassrls AND pg_catalog.pg_has_role(session_user, r.oid, 'MEMBER')
UNION ALL SELECT 'is a member of ' || r.rolname FROM pg_catalog.pg_roles r
 WHERE r.oid < 16384 AND r.rolname LIKE 'pg\\_%' AND NOT r.rolsuper
   AND pg_catalog.pg_has_role(session_user, r.oid, 'MEMBER')
UNION ALL SELECT 'owns this database' FROM pg_catalog.pg_database d
 WHERE d.datname = pg_catalog.current_database() AND pg_catalog.pg_has_role(session_user, d.datdba, 'MEMBER')
UNION ALL SELECT 'owns a table with row security, which does not hold for owners' FROM pg_catalog.pg_class c
 WHERE c.relrowsecurity AND NOT c.relforcerowsecurity AND pg_catalog.pg_has_role(session_user, c.relowner, 'MEMBER')
UNION ALL SELECT 'may call ' || p.proname FROM pg_catalog.pg_proc p
 WHERE p.pronamespace = 'pg_catalog'::pg_catalog.regnamespace AND p.proname = ANY ($1::text[])
   AND pg_catalog.has_function_privilege(p.oid, 'EXECUTE')
UNION ALL SELECT 'may read passwords' WHERE pg_catalog.has_table_privilege('pg_catalog.pg_authid', 'SELECT')
    OR pg_catalog.has_any_column_privilege('pg_catalog.pg_authid', 'SELECT')
"""
_FILES = (
    "lo_export lo_import pg_current_logfile pg_ls_archive_statusdir pg_ls_dir pg_ls_logdir pg_ls_tmpdir pg_ls_waldir "
    "pg_read_binary_file pg_read_file pg_reload_conf pg_rotate_logfile pg_stat_file pg_switch_wal"
)
_REACHES_OUT: Final = _FILES.split()
"""Functions of PostgreSQL 16 that touch files and are nobody's but the superuser's unless somebody granted them."""
_WRITES: Final = """
SELECT 'may write ' || pg_catalog.count(*)::text || ' tables' FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'v', 'f') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
   AND (pg_catalog.has_table_privilege(c.oid, 'INSERT') OR pg_catalog.has_table_privilege(c.oid, 'UPDATE')
     OR pg_catalog.has_table_privilege(c.oid, 'DELETE') OR pg_catalog.has_table_privilege(c.oid, 'TRUNCATE'))
HAVING pg_catalog.count(*) > 0
UNION ALL SELECT 'may create tables in the schema ' || n.nspname FROM pg_catalog.pg_namespace n
 WHERE n.nspname !~ '^pg_' AND pg_catalog.has_schema_privilege(n.oid, 'CREATE')
UNION ALL SELECT 'may fill the disk with temporary files: set temp_file_limit for it'
 WHERE pg_catalog.current_setting('temp_file_limit') = '-1'
"""


class RoleRefused(ConfigurationError):
    """The role of ``HOLDFAST_DATABASE`` may do what no tool should be able to."""


async def check_role(connection: Any) -> None:
    """Raise ``RoleRefused`` for a role that could reach beyond its tables; asked on every new connection.

    Memberships count however they come: inherited, through other roles, or only by ``SET ROLE``.
    """
    found = [row[0] for row in await connection.fetch(_DANGEROUS, _REACHES_OUT)]
    if found:
        raise RoleRefused(
            f"HOLDFAST_DATABASE: the role {'; '.join(dict.fromkeys(found[:5]))}. "
            "Connect as one that may only read the tables it needs"
        )


async def may_write(connection: Any) -> list[str]:
    """What the role could write: no caller can, but a role that may not is the better wall. One line each."""
    return [f"the database's role {row[0]}" for row in await connection.fetch(_WRITES)]
