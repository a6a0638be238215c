"""What PostgreSQL and its driver report, as refusals that name no value, statement, host or role."""

from __future__ import annotations

from typing import Final

from holdfast.errors import UnsafeQuery

_REASONS: Final = (  # (beginning of the SQLSTATE, code, what the caller reads)
    ("57014", "query.timeout", "the query took too long; narrow it down or use an index"),
    ("42P01", "query.table", "no such table, or it may not be read; ask for the schema"),
    ("42501", "query.table", "no such table, or it may not be read; ask for the schema"),
    ("3F000", "query.table", "no such table, or it may not be read; ask for the schema"),
    ("42703", "query.failed", "no such column; ask for the schema"),
    ("42P02", "query.failed", "a placeholder has no parameter"),
    ("42702", "query.failed", "an ambiguous column name; write table.column"),
    ("42883", "query.function", "no such function or operator for these types; add a CAST"),
    ("42725", "query.function", "a function or operator fits in several ways; add a CAST"),
    ("42803", "query.failed", "a column must stand in GROUP BY or in an aggregate"),
    ("42804", "query.failed", "the types do not fit each other; add a CAST"),
    ("42P18", "query.failed", "the type of a placeholder cannot be found; add a CAST"),
    ("42P08", "query.failed", "the type of a placeholder cannot be found; add a CAST"),
    ("42", "query.failed", "the database does not understand the statement; ask for the schema and simplify it"),
    ("25006", "query.statement", "only reading is allowed"),
    ("23505", "query.failed", "a row with this key exists already"),
    ("23503", "query.failed", "a row that this one refers to does not exist"),
    ("23502", "query.failed", "a value that must be given is missing"),
    ("23", "query.failed", "a value that the table does not accept"),
    ("22", "query.failed", "a value does not fit its type or its range"),
    ("40", "query.busy", "the database is busy; try again"),
    ("55P03", "query.busy", "the database is busy; try again"),
    ("53", "query.busy", "the database is busy; try again"),
    ("54", "query.too_deep", "the statement is nested too deeply; simplify it"),
    ("57P", "query.unavailable", "the database cannot be reached; try again later"),
    ("08", "query.unavailable", "the database cannot be reached; try again later"),
    ("28", "query.unavailable", "the database does not let this server in; its operator must look"),
    ("3D000", "query.unavailable", "the database does not let this server in; its operator must look"),
)
"""PostgreSQL 16, appendix A."""


def refusal(error: BaseException) -> UnsafeQuery:
    """The refusal for what asyncpg, SQLAlchemy or the network raised."""
    state = str(getattr(error, "sqlstate", None) or "")
    for beginning, code, message in _REASONS:
        if state.startswith(beginning):
            return UnsafeQuery(message, code=code)
    if isinstance(error, ValueError | OverflowError):  # of the driver: it would repeat the value
        return UnsafeQuery("a value does not fit its type or its range", code="query.failed")
    if type(error).__name__ == "InternalClientError":
        return UnsafeQuery("a type that cannot be sent; CAST it to TEXT", code="query.failed")
    if not state:  # no answer of the server: the driver, or the network
        return UnsafeQuery("the database cannot be reached; try again later", code="query.unavailable")
    return UnsafeQuery("the database refused the query; ask for the schema and simplify it", code="query.failed")
