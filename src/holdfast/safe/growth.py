"""How large a query becomes once a planner has folded its subqueries into each other."""

from __future__ import annotations

from typing import Any, Final

MAX_GROWTH: Final = 1_000
"""How often one column may stand for itself once subqueries are folded into each other. PostgreSQL's planner copies
the expressions of a subquery into the outer one without looking at its clock: twenty levels of ``x || x`` are a
million."""
_QUERIES: Final = frozenset({"Select", "Union", "Except", "Intersect", "Subquery"})


def growth(query: Any, known: dict[str, int]) -> int:
    """How many copies of a column the widest expression of ``query`` holds once its subqueries are folded into it."""
    known = dict(known)
    for cte in _ctes(query):
        known[cte.alias.lower()] = growth(cte.this, known)
    inner = max([1, *(_brought(part, known) for part in query.iter_expressions() if type(part).__name__ != "With")])
    width = max([1, *(sum(type(node).__name__ == "Column" for node in each.walk()) for each in query.expressions)])
    return int(min(inner * width, MAX_GROWTH + 1))


def _brought(part: Any, known: dict[str, int]) -> int:
    """The growth of the subqueries and WITH names in one part of a query."""
    most = 1
    for node in part.walk(prune=lambda n: type(n).__name__ in _QUERIES):
        if type(node).__name__ in _QUERIES:
            most = max(most, growth(node, known))
        elif type(node).__name__ == "Table":
            most = max(most, known.get(node.name.lower(), 1))
    return most


def _ctes(query: Any) -> list[Any]:
    found = query.args.get("with_")
    return list(found.expressions) if found is not None else []
