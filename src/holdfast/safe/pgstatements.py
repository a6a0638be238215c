"""One read-only PostgreSQL query: what may stand in it, every name quoted, every table named with its schema."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from holdfast.errors import UnsafeQuery
from holdfast.safe import pggrowing, pgwords, sqltree
from holdfast.safe.sqlrefusals import ambiguous, no_table, refuse_unsendable
from holdfast.safe.sqltree import Grammar

_FUNCTIONS = (
    "abs age array_length avg bool_and bool_or cardinality ceil ceiling coalesce count cume_dist current_date "
    "current_time current_timestamp date_trunc dense_rank every extract first_value floor greatest initcap "
    "jsonb_array_length jsonb_typeof json_array_length json_typeof lag last_value lead least left length "
    "localtimestamp lower ltrim max min mod nth_value ntile nullif percent_rank percentile_cont percentile_disc "
    "position rank reverse right round row_number rtrim sign split_part sqrt starts_with stddev substring sum to_char "
    "trim trunc upper variance -> ->> #> #>>"
)
DEFAULT_FUNCTIONS: Final = frozenset(_FUNCTIONS.split())
"""PostgreSQL functions that read nothing but their arguments and whose result is no longer than those. A value may have
1 GB, and some functions do not look at the clock while they make it (``format('%1000000000s', 'x')`` went on for half a
minute after it was cancelled): ``repeat``, ``replace``, ``string_agg`` and the like must be named by hand."""
PUBLIC: Final = "public"
"""The schema of a table that is named without one."""
MAX_NAME: Final = 63
"""Bytes of a name; PostgreSQL cuts longer ones off (NAMEDATALEN - 1), so that two names could be one."""
MAX_WIDTH: Final = 10_000
"""The largest length or precision that a cast may name: ``'x'::char(10485760)`` is 10 MiB from nothing."""
_NODES = (
    "Select From Table Identifier Column Star Alias TableAlias Literal Boolean Null Paren Tuple Where Group "
    "Having Order Ordered Limit Offset Join With CTE Union Except Intersect Subquery Distinct Case If Cast "
    "DataType DataTypeParam Between In Like ILike Escape Is Not And Or EQ NEQ GT GTE LT LTE NullSafeEQ NullSafeNEQ "
    "Add Sub Mul Div Mod Neg DPipe BitwiseAnd BitwiseOr BitwiseNot BitwiseLeftShift BitwiseRightShift Exists "
    "Window WindowSpec WithinGroup Filter Values Parameter Placeholder Collate Var JSONPath JSONPathRoot JSONPathKey "
    "JSONPathSubscript Interval AtTimeZone Any ArrayContainsAll ArrayContainedBy ArrayOverlaps Bracket"
)
_SPELLED: Final = {
    "StrPosition": "position",
    "LogicalAnd": "bool_and",
    "LogicalOr": "bool_or",
    "TimestampTrunc": "date_trunc",
    "DateTrunc": "date_trunc",
    "TimeToStr": "to_char",
    "ArraySize": "array_length",
    "CurrentDate": "current_date",
    "CurrentTime": "current_time",
    "CurrentTimestamp": "current_timestamp",
    "Localtimestamp": "localtimestamp",
    "Ceil": "ceil",
    "JSONExtract": "->",
    "JSONExtractScalar": "->>",
    "JSONBExtract": "#>",
    "JSONBExtractScalar": "#>>",
}
POSTGRES: Final = Grammar("postgres", "PostgreSQL", frozenset(_NODES.split()), _SPELLED)
_PLAIN = (
    "ARRAY BIGINT BOOLEAN BPCHAR CHAR DATE DECIMAL DOUBLE FLOAT INT INTERVAL JSON JSONB SMALLINT TEXT TIME TIMESTAMP "
    "TIMESTAMPTZ UUID VARBINARY VARCHAR"
)
_TYPES: Final = frozenset(_PLAIN.split())
"""Types that a value may be cast to. Not among them: ``regclass`` and its kin, which read the catalogue, ``xml``, and
whatever somebody has defined."""


@dataclass(frozen=True, slots=True)
class PgStatement:
    """A statement that passed: ``sql`` is the re-serialised text, the only text that is ever executed."""

    sql: str
    tables: frozenset[tuple[str, str]]
    """Schema and name of every table and view that it reads."""
    ctes: frozenset[str]
    """Names that its WITH clauses define; none may be the name of a relation of the system."""
    names: tuple[str, ...] = ()
    """The named placeholders in the order of their numbers; empty when they are numbered."""


def table_of(name: str) -> tuple[str, str]:
    """Schema and name of ``table`` or ``schema.table``."""
    schema, dot, table = name.partition(".")
    return (schema, table) if dot else (PUBLIC, name)


def check(text: str, tables: frozenset[tuple[str, str]] | None, functions: frozenset[str]) -> PgStatement:
    """Return the re-serialised statement if ``text`` is one read-only query over ``tables``. Raises ``UnsafeQuery``.

    ``tables=None`` leaves it to the catalogue and to the role which tables of the users' schemas may be read.
    Codes: ``query.statement``, ``query.function``, ``query.table``, ``query.too_deep``.
    """
    refuse_unsendable(text)
    first = _checked(text, tables, functions)
    again = _checked(first.sql, tables, functions)
    if again.sql != first.sql or again.tables != first.tables:
        raise ambiguous()
    pgwords.check_words(first.sql, functions)
    return first


def verb_of(text: str) -> str:
    """The word that says what an author's statement does, behind its WITH clauses; nothing when it cannot be found."""
    return sqltree.dialect_of(POSTGRES).verb(text)


def _checked(text: str, tables: frozenset[tuple[str, str]] | None, functions: frozenset[str]) -> PgStatement:
    tree, nodes = sqltree.parsed(text, POSTGRES, functions)
    names = _numbered(nodes)
    for node in nodes:
        _CHECKS.get(type(node).__name__, _plain)(node)
    pggrowing.refuse_growing(nodes)
    ctes = frozenset(node.alias for node in nodes if type(node).__name__ == "CTE")
    if any(name.startswith("pg_") for name in ctes):
        raise no_table()  # where the WITH clause does not reach, the name would be the system's
    read = frozenset(filter(None, (_qualified(node, ctes) for node in nodes if type(node).__name__ == "Table")))
    if tables is not None and not read <= tables:
        raise no_table()
    return PgStatement(sqltree.written(tree, POSTGRES, identify=True), read, ctes, names)


def _plain(node: Any) -> None:
    """Nothing to check or change."""


def _identifier(node: Any) -> None:
    name = str(node.this)
    if not node.args.get("quoted"):
        name = "".join(c.lower() if c.isascii() else c for c in name)  # as PostgreSQL folds names
    if not name or len(name.encode()) > MAX_NAME:
        raise UnsafeQuery("a name is longer than 63 bytes", code="query.statement")
    node.set("this", name)
    node.set("quoted", True)


def _data_type(node: Any) -> None:
    if getattr(node.this, "name", None) not in _TYPES:
        raise UnsafeQuery("cast to plain types only: text, integer, numeric, date and the like", code="query.statement")


def _data_type_param(node: Any) -> None:
    if not str(node.this.this).isdecimal() or int(str(node.this.this)[:9]) > MAX_WIDTH:
        raise UnsafeQuery("cast to a shorter type", code="query.statement")


def _column(node: Any) -> None:
    if node.args.get("catalog"):
        raise no_table()


_CHECKS: Final[Mapping[str, Any]] = {
    "Identifier": _identifier,
    "DataType": _data_type,
    "DataTypeParam": _data_type_param,
    "Column": _column,
}


def _numbered(nodes: list[Any]) -> tuple[str, ...]:
    """Give named placeholders numbers; returns their names. Raises ``UnsafeQuery`` when both kinds are used."""
    placeholders = [node for node in nodes if type(node).__name__ == "Placeholder"]
    numbers = [node for node in nodes if type(node).__name__ == "Parameter"]
    if any(not str(node.this.this).isdecimal() for node in numbers):
        raise UnsafeQuery("write placeholders as $1 or :name", code="query.statement")
    if (placeholders and numbers) or any(not isinstance(node.this, str) or not node.this for node in placeholders):
        raise UnsafeQuery("write placeholders as $1 or :name, not both", code="query.statement")
    names = tuple(dict.fromkeys(str(node.this) for node in placeholders))
    for node in placeholders:
        node.replace(_parameter(names.index(str(node.this)) + 1))
    return names


def _parameter(number: int) -> Any:
    from sqlglot import exp

    return exp.Parameter(this=exp.Literal.number(number))


def _qualified(node: Any, ctes: frozenset[str]) -> tuple[str, str] | None:
    """Schema and name of the table that ``node`` reads, written into it; ``None`` for a name of a WITH clause."""
    if type(node.this).__name__ != "Identifier" or node.args.get("catalog"):
        raise no_table()
    name, schema = str(node.this.this), str(node.args["db"].this) if node.args.get("db") else ""
    if not schema and name in ctes:
        return None
    schema = schema or PUBLIC
    if schema == "information_schema" or schema.startswith("pg_") or name.startswith("pg_"):
        raise no_table()
    from sqlglot import exp

    node.set("db", exp.Identifier(this=schema, quoted=True))
    return (schema, name)
