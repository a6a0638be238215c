"""The grammar of one read-only SQLite statement: one SELECT, allow-listed nodes, tables and functions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from holdfast.errors import ConfigurationError, UnsafeQuery
from holdfast.safe import sqltree
from holdfast.safe.sqlrefusals import ambiguous, no_table, refuse_unsendable
from holdfast.safe.sqltree import Grammar, names_of

if TYPE_CHECKING:
    from collections.abc import Iterable

_FUNCTIONS = (
    "abs avg ceil ceiling coalesce count cume_dist current_date current_time current_timestamp date datetime "
    "dense_rank first_value floor glob group_concat hex ifnull iif instr json_array_length json_extract json_type "
    "json_valid julianday lag last_value lead length like lower ltrim max min nth_value ntile nullif percent_rank "
    "rank replace round row_number rtrim sign strftime substr substring sum time total trim typeof unicode "
    "unixepoch upper -> ->>"
)
DEFAULT_FUNCTIONS: Final = frozenset(_FUNCTIONS.split())
"""SQLite functions that read nothing but their arguments, write nothing, and answer the same when asked again."""
_NODES = (
    "Select From Table Identifier Column Star Alias TableAlias Literal Boolean Null Paren Tuple Where Group "
    "Having Order Ordered Limit Offset Join With CTE Union Except Intersect Subquery Distinct Case If Cast "
    "DataType DataTypeParam Between In Like Glob Escape Is Not And Or EQ NEQ GT GTE LT LTE NullSafeEQ NullSafeNEQ "
    "Add Sub Mul Div Mod Neg DPipe BitwiseAnd BitwiseOr BitwiseNot BitwiseLeftShift BitwiseRightShift Exists "
    "Window WindowSpec Filter Values Placeholder Collate Var HexString JSONPath JSONPathRoot JSONPathKey "
    "JSONPathSubscript"
)
_SPELLED: Final = {  # sqlglot's node -> the SQLite function that it stands for, where the two names differ
    "Greatest": "max",
    "Least": "min",
    "Chr": "char",
    "StrPosition": "instr",
    "TimeToStr": "strftime",
    "TsOrDsToTimestamp": "datetime",
    "JSONExtract": "->",
    "JSONExtractScalar": "->>",
    "Ceil": "ceil",
    "CurrentDate": "current_date",
    "CurrentTime": "current_time",
    "CurrentTimestamp": "current_timestamp",
}
SQLITE: Final = Grammar("sqlite", "SQLite", frozenset(_NODES.split()), _SPELLED)


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement that passed: ``sql`` is the re-serialised text, the only text that is ever executed."""

    sql: str
    ctes: frozenset[str]
    """Names (in lower case) that its WITH clauses define; no real table may bear one of them."""
    aliases: frozenset[str]
    """Those, and the names of its subqueries. SQLite tells the authorizer only the innermost of such names or the
    view that is being read, so none of them may be the name of a view."""


def require() -> None:
    """Say at build time that statements can be checked. Raises ``ConfigurationError``."""
    try:
        parser = sqltree.dialect_of(SQLITE)
        if check("SELECT 1", None, DEFAULT_FUNCTIONS).sql != "SELECT 1" or not parser.counts():
            raise ConfigurationError("this version of sqlglot cannot be bounded; install the one that holdfast names")
    except ImportError:
        raise ConfigurationError("SQL arguments need sqlglot: install holdfast[sql] or the package sqlglot") from None


def check(text: str, tables: frozenset[str] | None, functions: frozenset[str]) -> Statement:
    """Return the re-serialised statement if ``text`` is one read-only SELECT over ``tables``. Raises ``UnsafeQuery``.

    ``tables`` and ``functions`` hold names in lower case; ``tables=None`` leaves the tables to the authorizer, which
    knows the schema. Codes: ``query.statement``, ``query.function``, ``query.table``, ``query.too_deep``.
    """
    refuse_unsendable(text)
    # What is executed is what was checked: the text must be read again as the very statement it was written from.
    written = _checked(text, tables, functions)
    read_again = _checked(written.sql, tables, functions)
    if read_again.sql != written.sql:
        raise ambiguous()
    return read_again


def _checked(text: str, tables: frozenset[str] | None, functions: frozenset[str]) -> Statement:
    tree, nodes = sqltree.parsed(text, SQLITE, functions)
    ctes = names_of(nodes, "CTE")
    aliases = ctes | names_of(nodes, "Subquery", "Values")
    if tables is not None and aliases & tables:
        raise UnsafeQuery("a WITH name or alias may not be the name of a table", code="query.table")
    _check_tables(nodes, ctes, tables)
    return Statement(sqltree.written(tree, SQLITE), ctes, aliases)


def _check_tables(nodes: Iterable[Any], ctes: frozenset[str], tables: frozenset[str] | None) -> None:
    for node in nodes:
        if type(node).__name__ != "Table":
            continue
        name = node.name.lower()
        if type(node.this).__name__ != "Identifier" or node.catalog or node.db.lower() not in ("", "main"):
            raise no_table()
        if name.startswith(("sqlite_", "pragma_")) or not (tables is None or name in tables or name in ctes):
            raise no_table()
