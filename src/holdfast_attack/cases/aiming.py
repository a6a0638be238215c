"""Which parameters of which tools a hostile value is put into."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from holdfast_attack.arena.files import HELLO
from holdfast_attack.model import NotApplicable
from holdfast_attack.tools import Parameter, Role, Tool
from holdfast_attack.tools.roles import types_of

if TYPE_CHECKING:
    from holdfast_attack.play.probe import Probe

GUESSED: Final = (Role.TEXT, Role.OTHER, Role.ARGUMENT, Role.PATTERN, Role.PATH, Role.URL)
"""What a name may be taken for although it means something else."""
MOST_GUESSED: Final = {False: 12, True: 60}
"""Parameters that are tried without a reason, in the quick profile and the full one."""


@dataclass(frozen=True, slots=True)
class Aim:
    """A parameter of a tool that may be called, and honest arguments for all others."""

    tool: Tool
    parameter: Parameter
    arguments: Mapping[str, Any]
    worked: bool
    """The honest call did what it is for: only then a refusal says something."""
    guessed: bool = False
    """Nothing says that the parameter is for such values: they are put there all the same, and only a hit counts."""

    def holding(self, text: str) -> dict[str, Any]:
        """The arguments with ``text`` in the parameter, in a list or an object where it stands in one."""
        return self.parameter.put(self.arguments, text)

    @property
    def takes_text(self) -> bool:
        """Whether any text may be put there."""
        kinds = types_of(self.parameter.schema)
        chosen = "enum" in self.parameter.schema or "const" in self.parameter.schema
        return not chosen and (not kinds or bool(kinds & {"string", "array"}))

    @property
    def label(self) -> str:
        """The parameter, for a reader."""
        return repr(self.parameter.label)


def aims(probe: Probe, *roles: Role) -> list[Aim]:
    """The parameters of these roles, of tools that may be called. Raises ``NotApplicable`` when there are none."""
    found = _aims(probe, roles)
    if not found:
        raise NotApplicable(_missing(probe, roles))
    return found


def aims_and_guesses(probe: Probe, *roles: Role) -> list[Aim]:
    """The same, and behind them other texts of these tools: who calls a path ``doc`` or ``title`` has it guarded, too.

    Raises ``NotApplicable`` when there are neither.
    """
    sure = _aims(probe, roles)
    others = _aims(probe, [role for role in GUESSED if role not in roles])
    guessed = [replace(aim, guessed=True) for aim in others if aim.takes_text][: MOST_GUESSED[probe.full]]
    if not sure and not guessed:
        raise NotApplicable(_missing(probe, roles))
    return sure + guessed


def _aims(probe: Probe, roles: Sequence[Role]) -> list[Aim]:
    found = []
    for tool, parameter in probe.tools.with_role(*roles, allow_writes=probe.allow_writes):
        honest = probe.honest.get(tool.name)
        if honest is not None:
            found.append(Aim(tool, parameter, honest.arguments, honest.worked))
    return found


def stands_in(probe: Probe) -> bool:
    """Whether the server works in the arena's workspace, so that what is relative leads there and nowhere else.

    A server that was only connected to, or that has a root of its own, may stand in its user's folder: nothing
    relative may be written there.
    """
    arena = probe.arena
    if (arena.workspace / arena.world.new).exists() or _named_by(probe):
        return True
    said = (honest.reply.text for honest in probe.honest.values() if honest.worked)
    return any(HELLO.strip() in text or ("spare.txt" in text and "linked.txt" in text) for text in said)


def _named_by(probe: Probe) -> bool:
    """Whether a new file in the workspace is called what a tool was honestly told: ``hello.md`` of the title hello."""
    told = [value for honest in probe.honest.values() for value in honest.arguments.values()]
    names = {Path(value).name for value in told if isinstance(value, str) and len(value) > 1}
    return any(Path(made).name in names or Path(made).stem in names for made in probe.arena.newcomers())


def _missing(probe: Probe, roles: Sequence[Role]) -> str:
    named = " or ".join(str(role).replace("_", " ") for role in roles)
    if not probe.allow_writes and probe.tools.with_role(*roles, allow_writes=True):
        return f"no tool that only reads takes a {named} (--allow-writes tries the others too)"
    return f"no tool takes a {named}"
