"""Which tools are tried with wrong arguments, and what the rest of those arguments is, so that no harm is done."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from holdfast_attack.model import NotApplicable
from holdfast_attack.tools import Tool, honest
from holdfast_attack.tools.roles import types_of
from holdfast_attack.tools.violations import Violation
from holdfast_attack.tools.vocabulary import each
from holdfast_attack.tools.wrong import Fault

if TYPE_CHECKING:
    from holdfast_attack.link.reply import Reply
    from holdfast_attack.play.probe import Probe

FEW = 8
"""Tools that one case tries in a quick run."""
CALLS = 24
"""Calls that one case makes in a quick run, shared out among the tools; but for each at least three."""


def share(tools: int) -> int:
    """Calls for each of so many tools in a quick run."""
    return max(3, CALLS // max(1, min(tools, FEW)))


_FINAL: Final = each(
    "delete remove drop purge destroy erase wipe kill stop restart shutdown reboot reset revoke send post publish pay"
    " transfer buy order cancel deploy overwrite"
)
"""What a tool of that name does cannot be taken back."""


@dataclass(frozen=True, slots=True)
class Base:
    """A tool and arguments for it that are right. ``worked``: the honest call did what it is for; None: not made."""

    tool: Tool
    arguments: dict[str, Any] = field(repr=False)
    worked: bool | None
    careful: bool
    """The tool may do what cannot be undone, and nobody has allowed it."""
    refusal: str = ""
    """What the honest call was answered, where it did not work."""

    def tells(self, reply: Reply) -> bool:
        """Whether a refusal says something: it is not the one that honest arguments meet as well."""
        return self.worked is not False or reply.text != self.refusal

    def may_be_sent(self, violation: Violation) -> bool:
        """A server that does not look would do what was asked: of a careful tool only what it cannot make sense of."""
        if not self.careful:
            return True
        if violation.kind is Fault.MISSING:
            return True
        parameter = next((each for each in self.tool.parameters if each.name == violation.parameter), None)
        if parameter is None or not parameter.required or violation.kind is not Fault.TYPE:
            return False
        return "boolean" not in types_of(parameter.whole)


def bases(probe: Probe) -> Iterator[Base]:
    """All tools, those whose honest call worked first, the others of each in an order that the seed decides.

    One that is not read-only, without being allowed, is tried only if it takes something that can be left out or be
    wrong; and what it is given names nothing that there is. Raises ``NotApplicable`` where there is no tool at all.
    """
    if not probe.tools.tools:
        raise NotApplicable("the server lists no tool")
    found = [_base(probe, tool) for tool in probe.tools.tools if _may_be_tried(probe, tool)]
    probe.random.shuffle(found)
    yield from sorted(found, key=lambda base: not base.worked)


def _may_be_tried(probe: Probe, tool: Tool) -> bool:
    allowed = tool.read_only or probe.allow_writes
    return allowed or any(parameter.required for parameter in tool.parameters)


def _base(probe: Probe, tool: Tool) -> Base:
    known = probe.honest.get(tool.name)
    if known is not None:
        refusal = "" if known.worked else known.reply.text
        return Base(tool, dict(known.arguments), known.worked, careful=False, refusal=refusal)
    allowed = tool.read_only or probe.allow_writes
    world = probe.arena.world if allowed else probe.arena.world.harmless()
    careful = not allowed and (tool.annotations.get("destructiveHint") is True or bool(tool.words & _FINAL))
    return Base(tool, honest(tool, world), None, careful)
