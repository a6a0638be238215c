"""How a statement is refused: a stable code, and words that repeat nothing of it."""

from __future__ import annotations

import re
from typing import Final

from holdfast.errors import UnsafeQuery

_UNSENDABLE: Final = re.compile("[\x00\ud800-\udfff]")  # NUL ends a C string; a lone surrogate has no UTF-8


def not_plain() -> UnsafeQuery:
    """The refusal of whatever is no part of a plain query."""
    return UnsafeQuery("only plain SELECT statements are taken; this part is not", code="query.statement")


def no_function() -> UnsafeQuery:
    """The refusal of a function that is not listed."""
    return UnsafeQuery(
        "a function that is not allowed; use common aggregate, text and date functions", code="query.function"
    )


def no_table() -> UnsafeQuery:
    """The refusal of a table that is not listed, or is not there."""
    return UnsafeQuery("no such table, or it may not be read; ask for the schema", code="query.table")


def too_deep() -> UnsafeQuery:
    """The refusal of whatever would take the parser or a planner too long."""
    return UnsafeQuery("the statement is nested too deeply; simplify it", code="query.too_deep")


def ambiguous() -> UnsafeQuery:
    """The refusal of a statement whose own text means something else than it did."""
    return UnsafeQuery("the statement can be read in two ways; write it more plainly", code="query.statement")


def refuse_unsendable(text: str) -> None:
    """Raise ``UnsafeQuery`` for characters that end a C string or have no UTF-8."""
    if _UNSENDABLE.search(text):
        raise UnsafeQuery("the statement holds characters that no statement needs", code="query.statement")
