"""What a reader of the report must know beside its verdicts: which tools were called, and what could not be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from holdfast_attack.play.plan import Plan
from holdfast_attack.tools import Tool, Toolbox

MOST: Final = 8
"""Tools that are named; a server may have a thousand."""


def notes(plan: Plan, tools: Toolbox) -> tuple[str, ...]:
    """In sentences, the names of tools as the server gave them."""
    return tuple(filter(None, (_supposed(plan, tools), _uncalled(plan, tools), _only_connected(plan))))


def _supposed(plan: Plan, tools: Toolbox) -> str:
    found = [tool for tool in tools.tools if tool.read_only and not tool.promises]
    if plan.allow_writes or not found:
        return ""
    return f"no annotation says so, but by their names they only read, so they were called: {_named(found)}"


def _uncalled(plan: Plan, tools: Toolbox) -> str:
    found = [tool for tool in tools.tools if not tool.read_only]
    if plan.allow_writes or not found:
        return ""
    return f"sent no valid arguments, as they may change something: {_named(found)} (--allow-writes calls them too)"


def _only_connected(plan: Plan) -> str:
    if plan.address is None or plan.words:
        return ""
    return "the server was only connected to: nothing could be killed, and it does not stand in the arena"


def _named(tools: Sequence[Tool]) -> str:
    more = len(tools) - MOST
    return ", ".join(tool.name for tool in tools[:MOST]) + (f" and {more:,} more" if more > 0 else "")
