"""Text: whether what a reader does not see, or must not act on, comes through a tool as it is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from holdfast_attack.arena.files import HELLO
from holdfast_attack.arena.texts import HIDDEN, Hidden, concealed
from holdfast_attack.cases.aiming import Aim, aims
from holdfast_attack.cases.trying import Judge, Shot, fire
from holdfast_attack.link.reply import Reply
from holdfast_attack.model import Case, Eras, Finding, FoundSeveral, NotApplicable, Severity
from holdfast_attack.model.case import Play, advisory, spec, taste
from holdfast_attack.tools import Role

if TYPE_CHECKING:
    from holdfast_attack.play.probe import Probe

MOST = 200
"""Tools whose descriptions are looked at."""
_NAMES = {
    "ansi": ("A terminal's escape sequences do not come through", Severity.MEDIUM, "CWE-150"),
    "hidden": ("Invisible tag characters do not come through", Severity.MEDIUM, "CWE-1007"),
    "bidi": ("Characters that reorder the text do not come through", Severity.MEDIUM, "CVE-2021-42574"),
    "c1": ("C1 controls do not come through", Severity.LOW, "CWE-150"),
    "control": ("Control characters that overwrite what was shown do not come through", Severity.LOW, "CWE-150"),
}
SANITISE = "MCP 2025-11-25, server/tools, Security Considerations: servers MUST sanitize tool outputs"


def planted(name: str, hidden: Hidden) -> Play:
    """The planted file through tools that read."""

    async def play(probe: Probe) -> int:
        wanted = [*_readers(probe, name)]
        if not wanted:
            raise NotApplicable("no tool that may be called gives back what it reads from a file")
        return await fire(probe, wanted, _came_through(hidden))

    return play


async def reflected(probe: Probe) -> int:
    """The same texts through tools that give a text back."""
    number = 0
    for hidden in HIDDEN.values():
        wanted = [*_echoes(probe, hidden)]
        number += await fire(probe, wanted, _came_through(hidden)) if wanted else 0
    if not number:
        raise NotApplicable("no tool that may be called gives back what it is sent")
    return number


def _readers(probe: Probe, name: str) -> Iterator[Shot]:
    """Tools that gave back what is in the sample file."""
    for aim in _aims(probe, Role.PATH):
        if aim.tool.read_only and HELLO.strip() in probe.honest[aim.tool.name].reply.text:
            yield Shot(aim, aim.holding(f"strange/{name}.txt"))


def _echoes(probe: Probe, hidden: Hidden) -> Iterator[Shot]:
    """Tools that gave back a text that they were sent."""
    for aim in _aims(probe, Role.TEXT):
        sent = aim.arguments.get(aim.parameter.name)
        said = probe.honest[aim.tool.name].reply.text
        if aim.tool.read_only and isinstance(sent, str) and len(sent) > 3 and sent in said:
            yield Shot(aim, aim.holding(hidden.text))


def _aims(probe: Probe, role: Role) -> list[Aim]:
    try:
        return [aim for aim in aims(probe, role) if aim.worked]
    except NotApplicable:
        return []


def _came_through(hidden: Hidden) -> Judge:
    """A judge: what is hidden stands in the answer, raw. An escaped form, as JSON within text has it, is visible."""

    def judge(_shot: Shot, reply: Reply) -> str | None:
        if reply.failed or not hidden.raw.search("\n".join(_strings(reply.result))):
            return None
        return f"{hidden.words} came through"

    return judge


async def description(probe: Probe) -> int:
    """What the server and its tools say of themselves, to models."""
    greeting = getattr(await probe.session(), "greeting", {})
    found = [Finding(f"its instructions hold {words}") for words in concealed(str(greeting.get("instructions", "")))]
    for entry in probe.listed[:MOST]:
        for words in concealed("\n".join(_strings(entry))):
            name = entry.get("name") if isinstance(entry, dict) else None
            got = json.dumps(entry)[:20_000].encode()
            found.append(Finding(f"its listing holds {words}", name if isinstance(name, str) else None, got=got))
    if found:
        raise FoundSeveral(tuple(found))
    return min(len(probe.listed), MOST)


def _strings(value: Any) -> Iterator[str]:
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, str):
            yield one
        elif isinstance(one, dict):
            waiting += [*one.keys(), *one.values()]
        elif isinstance(one, list):
            waiting += one


def _case(name: str, hidden: Hidden) -> Case:
    title, severity, reference = _NAMES[name]
    return Case(
        id=f"text.{name}",
        title=title,
        severity=severity,
        eras=Eras.ONCE,
        seconds=60.0,
        sends=f"the name of a file that holds {hidden.words}",
        sound="strips it, escapes it visibly, or refuses",
        reference=spec(f"{SANITISE}; {reference}"),
        remedy="strip escape sequences, controls, tag characters and bidi overrides from what goes out",
        play=planted(name, hidden),
    )


CASES = (
    *(_case(name, hidden) for name, hidden in HIDDEN.items()),
    Case(
        id="text.description",
        title="Names and descriptions of tools hide nothing",
        severity=Severity.HIGH,
        eras=Eras.EACH,
        sends="tools/list",
        sound="names, descriptions, schemas and the server's instructions hold no characters that are not seen",
        reference=advisory("tool poisoning by hidden text: what a model reads is not what a user agreed to; CWE-1007"),
        remedy="write descriptions in plain text, and strip what tools of others bring",
        play=description,
    ),
    Case(
        id="text.reflected",
        title="What a reader does not see is not given back to who sent it",
        severity=Severity.ADVICE,
        eras=Eras.ONCE,
        seconds=60.0,
        sends="texts with escape sequences and hidden characters, to tools that give a text back",
        sound="strips them, escapes them visibly, or refuses",
        reference=taste(f"who sent it knows it, but what shows the result may not; {SANITISE}"),
        remedy="strip escape sequences, controls, tag characters and bidi overrides from what goes out",
        play=reflected,
    ),
)
