"""The record of one saga in the journal: what was begun, and by whom."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple, get_args

from holdfast.errors import ConfigurationError

SPACE: Final = "saga"
MAX_NAME: Final = 512
"""Characters of a saga's name and key together; half of what a key of the store may have."""
State = Literal["running", "undoing", "stuck", "done"]
MAX_STEPS: Final = 100
MAX_PAYLOAD: Final = 8_192
"""Bytes of one step's payload as JSON; 100 of them fit into one value of the store."""


class Step(NamedTuple):
    """One thing that was begun, and how it is undone."""

    name: str
    undo: str | None
    payload: Any
    id: str


@dataclass(slots=True)
class Record:
    """One saga. ``row`` is its key in the journal, ``by`` the presence of the process that works on it."""

    row: str
    id: str
    name: str
    by: str
    state: State = "running"
    steps: list[Step] = field(default_factory=list)

    def add(self, step: Step) -> Step:
        """Note a step, and return it as it stands. Raises ``ConfigurationError`` for what does not fit in."""
        if len(self.steps) >= MAX_STEPS:
            raise ConfigurationError(f"saga {self.name}: at most {MAX_STEPS} steps")
        try:
            size = len(json.dumps(step.payload, allow_nan=False))
        except (TypeError, ValueError, RecursionError):
            raise ConfigurationError(f"saga step {step.name}: a payload is what JSON can hold") from None
        if size + len(step.name) > MAX_PAYLOAD:
            raise ConfigurationError(f"saga step {step.name}: a payload has at most {MAX_PAYLOAD} bytes; keep an id")
        # as it will be read after a crash: a tuple is a list by then, and what is altered later is not
        self.steps.append(step._replace(payload=json.loads(json.dumps(step.payload))))
        return self.steps[-1]

    def written(self) -> bytes:
        """As it stands in the journal."""
        value = {"id": self.id, "name": self.name, "by": self.by, "state": self.state, "steps": self.steps}
        return json.dumps(value, separators=(",", ":")).encode()


class Unreadable(ValueError):
    """What stands in the journal is no record of this version."""


def read(row: str, raw: bytes) -> Record:
    """The record that stands there. Raises ``Unreadable``."""
    try:
        found = json.loads(raw)
        steps = [Step(*step) for step in found["steps"]]
        record = Record(row, found["id"], found["name"], found["by"], found["state"], steps)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise Unreadable(type(error).__name__) from None
    texts = (record.id, record.name, record.by, *(step.name for step in steps), *(step.id for step in steps))
    if record.state not in get_args(State) or not all(isinstance(text, str) for text in texts):
        raise Unreadable("a field")
    return record
