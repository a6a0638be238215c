"""Texts that are formats: their fields reach what an object's attributes lead to, its module's secrets among it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from holdfast_attack.cases.aiming import Aim, aims
from holdfast_attack.cases.trying import Shot, fire, shots
from holdfast_attack.link.reply import Reply
from holdfast_attack.model import Case, Eras, NotApplicable, Severity
from holdfast_attack.model.case import advisory
from holdfast_attack.tools import Role

if TYPE_CHECKING:
    from holdfast_attack.play.probe import Probe

TEXTS: Final = (Role.TEXT, Role.OTHER, Role.PATTERN, Role.PATH, Role.ARGUMENT)
_FIELD: Final = re.compile(r"(?<!\{)\{\s*([A-Za-z_]\w{0,40})[^{}]{0,80}\}(?!\})")
"""A field such as ``{contact.name}``, in a description, a default or an example."""
_REACHED: Final = re.compile(r"<class '|<bound method |<function |<built-in |<method-wrapper ")
"""What ``repr`` says of Python's own objects; nothing that is sent holds any of it."""
MOST_NAMES: Final = 3
USUAL: Final = ("0", "")
"""Fields by their number; named ones are found in what the server says of itself."""


async def play(probe: Probe) -> int:
    """Fields with attributes that every object of Python has."""
    targets = [aim for aim in aims(probe, *TEXTS) if aim.takes_text]
    if not targets:
        raise NotApplicable("no tool that may be called takes a text")
    return await fire(probe, shots(probe, targets, _formats), _reached)


def _formats(aim: Aim) -> list[str]:
    found = [f"{{{name}.__class__}}{{{name}.__init__}}" for name in (*_named(aim), *USUAL)]
    return [*found, "%(__class__)s", "{{''.__class__}}"]


def _named(aim: Aim) -> list[str]:
    """Names of fields that the tool speaks of, or that an honest argument has."""
    said = f"{aim.tool.description} {aim.parameter.whole} {aim.arguments.get(aim.parameter.name)}"
    return list(dict.fromkeys(_FIELD.findall(said[:10_000])))[:MOST_NAMES]


def _reached(shot: Shot, reply: Reply) -> str | None:
    if not reply.failed and _REACHED.search(reply.text):  # errors that name types are another matter
        return f"the value of {shot.aim.label} is a format: an attribute of an object of the server's came back"
    return None


FORMAT = Case(
    id="commands.format",
    title="A value is not a format whose fields reach attributes",
    severity=Severity.HIGH,
    eras=Eras.ONCE,
    seconds=60.0,
    sends="texts with fields such as {0.__class__}, by the names that the tool itself speaks of",
    sound="refuses, or takes them for plain text; no object of the server's comes back",
    reference=advisory("CWE-134; str.format of a caller's text reads module globals through __init__.__globals__"),
    remedy="string.Template, or a list of fields that are put in one by one; never str.format of a caller's text",
    play=play,
)
