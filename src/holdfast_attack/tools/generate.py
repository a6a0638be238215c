"""A program of its own: valid inputs by hypothesis-jsonschema, for schemas on standard input, as lines of JSON.

It may take all memory and time for a hostile schema, so that its parent limits it and kills it (see `generated.py`).
"""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Iterator
from importlib import import_module
from typing import Any

MEMORY = 2**30
"""Bytes of data."""
LONGEST = 65_536
"""Bytes of an input; a longer one is left out."""


def main() -> int:
    """Answer ``{"schemas": [...], "count": n, "seed": n}`` with lines ``[number of the schema, input]``."""
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    asked = json.load(sys.stdin)
    for number, schema in enumerate(asked["schemas"]):
        try:
            for value in inputs(schema, asked["count"], asked["seed"] + number):
                _say([number, value])
        except Exception as error:  # boundary: whatever hypothesis has against one schema, the others are tried
            _say([number, None, f"{type(error).__name__}: {str(error)[:200]}"])
    return 0


def inputs(schema: dict[str, Any], count: int, seed: int) -> Iterator[Any]:
    """Inputs for one schema; the same for the same seed. The first are the simplest."""
    _spare_a_grammar()
    hypothesis: Any = import_module("hypothesis")  # an extra: it may not be there where this is type-checked
    from_schema = import_module("hypothesis_jsonschema").from_schema
    _still_counts()
    made: list[Any] = []
    quiet = hypothesis.settings(
        max_examples=count,
        database=None,
        deadline=None,
        suppress_health_check=list(hypothesis.HealthCheck),
        phases=[hypothesis.Phase.generate],
    )

    def collect(value: Any) -> None:
        made.append(value)

    strategy = from_schema(schema, codec=None)  # a codec costs 2 s: it is tried on every character that there is
    hypothesis.seed(seed)(quiet(hypothesis.given(strategy)(collect)))()
    yield from made[:count]


def _spare_a_grammar() -> None:
    """jsonschema builds a grammar of addresses on import where it can, for formats that are not checked here: 2.5 s."""
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]  # None: as if it were not installed


def _still_counts() -> None:
    """hypothesis-jsonschema 0.23 asks `many.more()`, which hypothesis 6.170 has no more: it is iterated there."""
    from hypothesis.internal.conjecture import utils

    known: Any = utils.many
    if hasattr(known, "more"):
        return

    class Many(known):  # type: ignore[misc]  # the class is not the same in every version
        """Answers `more()` by iterating."""

        def more(self) -> bool:
            if not hasattr(self, "_turns"):
                self._turns = iter(self.__enter__())
            return next(self._turns, self) is None

    utils.many = Many  # type: ignore[misc]  # in this process only, which does nothing else


def _say(line: list[Any]) -> None:
    try:
        text = json.dumps(line, allow_nan=False)
    except (ValueError, TypeError, RecursionError):
        return  # nothing that JSON can say
    if len(text) <= LONGEST:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
