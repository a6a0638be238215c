"""What two servers must agree on: steps to send, answers with everything random taken out, and the differences."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from holdfast.safe.json import Bounds
from holdfast.wire.messages import Malformed, parse

Answer = Any
"""What came for one step, as JSON: over a pipe the lines in their order, over HTTP a status, headers and a body."""
BOUNDS = Bounds()
"""As generous as a server's own, for telling what kind of message a step holds."""

# What may differ between two runs of the same server, and what stands in its place.
_INCIDENT = re.compile(r"\b[0-9a-f]{12}\b")
_SEALED = re.compile(r"v1\.[A-Za-z0-9_-]{40,}")
_SESSION = re.compile(r"\b[0-9a-f]{32}\b")
_RANDOM = ((_SEALED, "<sealed>"), (_SESSION, "<session>"), (_INCIDENT, "<incident>"))


@dataclass(frozen=True, slots=True)
class Step:
    """Something to send: one message or, in a burst, several at once.

    ``unanswered``: a call that the next steps cancel. ``reuses``: its id is that of a call just cancelled, which takes
    a moment to end; until then it is refused, and sent again. ``headers`` and ``verb`` matter over HTTP alone. In
    strings ``{state}``, ``{session}`` and ``{host}`` stand for the last ones that the server has given.
    """

    bodies: tuple[Any, ...]
    headers: Mapping[str, str | None] = field(default_factory=dict)
    verb: str = "POST"
    unanswered: bool = False
    reuses: bool = False

    def said(self) -> str:
        """What was sent, for a message about it."""
        return " + ".join(text_of(body) for body in self.bodies) + (f" {dict(self.headers)}" if self.headers else "")


def step(*bodies: Any, unanswered: bool = False, reuses: bool = False) -> Step:
    """A step over a pipe."""
    return Step(bodies, unanswered=unanswered, reuses=reuses)


def text_of(body: Any) -> str:
    """A body as it is sent; bytes are shown as they are."""
    return body.decode("utf-8", "backslashreplace") if isinstance(body, bytes) else json.dumps(body)


def kind_of(body: Any) -> str:
    """``request``, ``notification``, ``response``, ``error``, ``malformed``, or ``blank``, which is no message."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    if not raw.strip():
        return "blank"
    try:
        return parse(raw, BOUNDS).kind
    except Malformed:
        return "malformed"


def settled(answer: Answer) -> Answer:
    """The answer with fixed words for what is random. Numbers stay of their kind: 1, 1.0 and true differ."""
    if isinstance(answer, Mapping):
        return {key: settled(value) for key, value in answer.items()}
    if isinstance(answer, list | tuple):
        return [settled(item) for item in answer]
    if isinstance(answer, str):
        for pattern, word in _RANDOM:
            answer = pattern.sub(word, answer)
        return answer
    return answer if answer is None or (isinstance(answer, int) and not isinstance(answer, bool)) else _Exactly(answer)


class _Exactly:
    """A value that equals only one of its own type; Python takes True for 1 and 1.0 for 1."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Exactly) and type(other.value) is type(self.value) and other.value == self.value

    def __hash__(self) -> int:
        return hash((type(self.value), self.value))

    def __repr__(self) -> str:
        return json.dumps(self.value)


@dataclass(frozen=True, slots=True)
class Divergence:
    """Where the two may differ: the SDK strays from the specification, and we do not follow.

    A pattern is a part of what was sent or answered: mappings by their keys, lists by their first items, ``...`` for
    anything.
    """

    reason: str
    sent: Any
    sdk: Any
    ours: Any

    def allows(self, what: Step, sdk: Answer, ours: Answer) -> bool:
        """Whether this explains the difference."""
        return matches(list(what.bodies), self.sent) and matches(sdk, self.sdk) and matches(ours, self.ours)


def matches(value: Any, pattern: Any) -> bool:
    """Whether ``value`` has everything that ``pattern`` has."""
    if pattern is ...:
        return True
    if isinstance(pattern, Mapping):
        return isinstance(value, Mapping) and all(
            key in value and matches(value[key], part) for key, part in pattern.items()
        )
    if isinstance(pattern, list):
        return (
            isinstance(value, list)
            and len(value) >= len(pattern)
            and all(matches(item, part) for item, part in zip(value, pattern, strict=False))
        )
    return type(value) is type(pattern) and bool(value == pattern)


@dataclass(frozen=True, slots=True)
class Difference:
    """One step that the two answered differently."""

    place: int
    what: Step
    sdk: Answer
    ours: Answer

    def __str__(self) -> str:
        return f"step {self.place}: {self.what.said()[:600]}\n  sdk : {_short(self.sdk)}\n  ours: {_short(self.ours)}"


def _short(answer: Answer) -> str:
    text = json.dumps(answer, ensure_ascii=False)
    return text if len(text) <= 900 else f"{text[:600]} ... {text[-300:]}"


def differences(
    steps: Sequence[Step], sdk: Iterable[Answer], ours: Iterable[Answer], known: Sequence[Divergence] = ()
) -> list[Difference]:
    """Where the answers differ and no known divergence explains it."""
    found = []
    for place, (what, one, other) in enumerate(zip(steps, sdk, ours, strict=True)):
        if settled(one) != settled(other) and not any(allowed.allows(what, one, other) for allowed in known):
            found.append(Difference(place, what, one, other))
    return found


def told(found: Sequence[Difference]) -> str:
    """The first differences, for an assertion's message."""
    return f"{len(found)} differences\n" + "\n".join(str(difference) for difference in found[:12])
