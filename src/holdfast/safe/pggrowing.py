"""What would let a text double from step to step: PostgreSQL may have 1 GB of it before it looks at the clock.

A row as text quotes the quotes in it, bytes as text are two digits each, ``1e131071`` in a ``jsonb`` is written out:
thirty such steps over one character, in a chain of WITH clauses or in a recursive one, fill the server's memory. Each
was measured (PostgreSQL 15): 22 steps made 12 MB. What joins texts outside of recursion is bounded by ``growth``.
"""

from __future__ import annotations

import re
from typing import Any, Final

from holdfast.errors import UnsafeQuery

MAX_DIGITS: Final = 1_000
"""Digits of a number in the text, and the exponent from which on it is refused."""
_OF_ROWS = (
    "any_out anycompatible_out anycompatiblenonarray_out anyelement_out anynonarray_out concat hash_record "
    "hash_record_extended json_build_array json_build_object jsonb_build_array jsonb_build_object num_nonnulls "
    "num_nulls pg_collation_for pg_column_compression pg_column_size pg_column_toast_chunk_id pg_typeof quote_literal "
    "quote_nullable record_out record_send row_to_json to_json to_jsonb"
)
OF_ROWS: Final = frozenset(_OF_ROWS.split())
"""Functions of PostgreSQL that take a row: ``t.to_json`` calls ``to_json(t)`` where ``t`` has no such column."""
_COMPARED: Final = frozenset(
    {"In", "EQ", "NEQ", "GT", "GTE", "LT", "LTE", "NullSafeEQ", "NullSafeNEQ", "Values", "Group", "Ordered", "Distinct"}
)
_GIVEN: Final = frozenset({"Literal", "Parameter", "Null"})
_QUOTED: Final = re.compile(r'"(?:[^"\\]|\\.)*"')
_LARGE: Final = re.compile(r"[eE]\+?[0-9]{4}")


def refuse_growing(nodes: list[Any]) -> None:
    """Refuse rows as values, bytes and ``jsonb`` made of texts, and huge numbers. Raises ``UnsafeQuery``."""
    rows = _rows(nodes)
    for node in nodes:
        kind = type(node).__name__
        if kind == "Column":
            _check_column(node, rows)
        elif kind == "Tuple" and type(node.parent).__name__ not in _COMPARED:
            raise _refused("a list in parentheses can be compared only; select its parts")
        elif kind == "Cast":
            _check_cast(node)
        elif kind == "Literal":
            _check_literal(node)
        elif kind == "With" and node.args.get("recursive"):
            _check_recursion(node)


def _rows(nodes: list[Any]) -> frozenset[str]:
    """The names that stand for a whole row: of tables, of WITH clauses and of subqueries."""
    tables = {node.alias_or_name for node in nodes if type(node).__name__ == "Table"}
    return frozenset(tables | {node.name for node in nodes if type(node).__name__ == "TableAlias"})


def _check_column(node: Any, rows: frozenset[str]) -> None:
    if type(node.this).__name__ == "Star":
        if type(node.parent).__name__ != "Select":
            raise _refused("table.* can be selected only; name the columns")
    elif not node.args.get("table"):
        if node.name in rows:
            raise _refused("the name of a table is no value; write table.column")
    elif node.name in OF_ROWS:
        raise _refused("a column of this name must stand without its table")


def _check_cast(node: Any) -> None:
    kinds = [getattr(each.this, "name", "") for each in node.args["to"].walk() if type(each).__name__ == "DataType"]
    if "JSONB" in kinds and (len(kinds) > 1 or type(node.this).__name__ not in _GIVEN):
        raise _refused("cast a column to json instead of jsonb")
    if "VARBINARY" in kinds and (len(kinds) > 1 or type(node.this).__name__ not in _GIVEN):
        raise _refused("only a literal or a parameter can be cast to bytea")


def _check_literal(node: Any) -> None:
    text = str(node.this)
    if not node.is_string and (len(text) > MAX_DIGITS or _LARGE.search(text)):
        raise _refused("a number is too large")
    if text.lstrip(" \t\r\n")[:1] in ("[", "{") and _LARGE.search(_QUOTED.sub("", text)):
        raise _refused("a number is too large")


def _check_recursion(node: Any) -> None:
    if any(type(each).__name__ == "DPipe" for each in node.walk()):
        raise _refused("a recursive WITH may not join texts; select the parts")


def _refused(what: str) -> UnsafeQuery:
    return UnsafeQuery(what, code="query.statement")
