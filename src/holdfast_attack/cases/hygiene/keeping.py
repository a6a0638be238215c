"""Whether tools stay as they were listed, change only what they say, and the folder does not configure the server."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import psutil

from holdfast_attack.arena.fingerprint import changes
from holdfast_attack.link.messages import encoded, is_modern
from holdfast_attack.link.session import Session
from holdfast_attack.link.stdio import StdioSession
from holdfast_attack.model import Case, Eras, Finding, Found, FoundSeveral, Inconclusive, NotApplicable, Severity
from holdfast_attack.model.case import STDIO, measured, spec

if TYPE_CHECKING:
    from holdfast_attack.arena import Arena
    from holdfast_attack.play.probe import Probe

PAGES = 50
LISTINGS = 3
CALLED = 12
"""Tools that are called between two listings."""
WITHIN = 10.0
CHANGED = "notifications/tools/list_changed"


async def tools_change(probe: Probe) -> int:
    """The list is now what it was when the lane began, and stays so when tools are called."""
    before = _by_name(probe.listed)
    if not before:
        raise NotApplicable("it lists no tools")
    for listing in range(LISTINGS):
        session = await probe.session()  # a call may have met a limit, and a new server been started for it
        now = _by_name(await _listed(session))
        different = [name for name in before | now if before.get(name) != now.get(name)]
        if different and not _told(probe, session):
            raise FoundSeveral(tuple(_difference(name, before, now) for name in sorted(different)))
        if listing == 0:
            await _use(probe)
    return LISTINGS


async def _use(probe: Probe) -> None:
    for name in [name for name, honest in probe.honest.items() if honest.worked][:CALLED]:
        await probe.call(name, probe.honest[name].arguments, within=WITHIN)


def _told(probe: Probe, session: Session) -> bool:
    """Whether the server has said that its list changed. Raises ``Inconclusive`` where it may have, unheard."""
    if is_modern(probe.lane.version):
        return False  # no request may change the list there, whatever is said
    if isinstance(session, StdioSession):
        return any(heard.message.get("method") == CHANGED for heard in session.messages)
    capabilities = getattr(session, "greeting", {}).get("capabilities")
    tools = capabilities.get("tools") if isinstance(capabilities, dict) else None
    if isinstance(tools, dict) and tools.get("listChanged"):
        raise Inconclusive("the list has changed; that it did may have been said on a stream that nobody listens to")
    return False


def _difference(name: str, before: Mapping[str, bytes], now: Mapping[str, bytes]) -> Finding:
    if name not in now:
        return Finding("it is listed no more", name, got=before[name])
    if name not in before:
        return Finding("it was not there when the list was first asked for", name, got=now[name])
    return Finding("it is listed in other words than before", name, got=before[name] + b"\n\n" + now[name])


def _by_name(listed: list[Any]) -> dict[str, bytes]:
    """Each tool in a form that does not depend on the order of its keys."""
    return {
        str(entry.get("name")): encoded(_sorted(entry)) for entry in listed if isinstance(entry, dict)
    }  # of one name twice only the last counts: that is another case


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _sorted(value[name]) for name in sorted(value)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value


async def _listed(session: Session) -> list[Any]:
    """All pages of the list."""
    listed: list[Any] = []
    cursor = None
    for _ in range(PAGES):
        reply = await session.ask("tools/list", {"cursor": cursor} if cursor else None, within=WITHIN)
        page = (reply.result or {}).get("tools")
        if not isinstance(page, list):
            raise Found("tools/list, which worked before, gives no list of tools", got=reply.raw)
        listed += page
        cursor = (reply.result or {}).get("nextCursor")
        if not isinstance(cursor, str):
            break
    return listed


async def read_only_kept(probe: Probe) -> int:
    """Honest calls of tools that only read change nothing: no content, no time of a file."""
    tools = [tool.name for tool in probe.tools.tools if tool.promises and tool.name in probe.honest]
    if not tools:
        raise NotApplicable("no tool says that it only reads")
    before = _standing(probe.arena)
    found = []
    for name in tools:
        await probe.call(name, probe.honest[name].arguments, within=WITHIN)
        after = _standing(probe.arena)
        changed = changes(before, after)
        if changed:
            found.append(Finding(f"it says that it only reads, and changed: {', '.join(changed[:5])}", name))
        before = after
    if found:
        raise FoundSeveral(tuple(found))
    return len(tools)


def _standing(arena: Arena) -> dict[str, str]:
    """What stands in the arena, and when each file was last written: the same again is a change too."""
    return dict(arena.fingerprint()) | {
        f"{name} (its time)": stamp
        for folder in (arena.workspace, arena.outside)
        for name, stamp in _times(str(folder))
    }


def _times(folder: str) -> list[tuple[str, str]]:
    """Files, but for logs, and what git keeps for itself."""
    found = []
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name != ".git"]
        for name in files:
            with suppress(OSError):
                path = os.path.join(place, name)
                found.append((os.path.relpath(path, folder), str(os.lstat(path).st_mtime_ns)))
    return found


async def env_file(probe: Probe) -> int:
    """A .env in the folder where it is started is not read at start-up."""
    watched = probe.arena.env_file
    watched.arm()
    async with probe.fresh_stdio() as session:
        if not _stands_in(session.pid, str(probe.arena.workspace)):
            raise NotApplicable("it was not started in the folder with the planted .env")
        await session.alive()
        read = probe.arena.env_file_was_read()
    if read is None:
        raise Inconclusive("this file system does not tell whether a file was read")
    if read:
        raise Found("it has read .env of the folder in which it was started")
    return 1


def _stands_in(pid: int, folder: str) -> bool:
    try:
        return os.path.samefile(psutil.Process(pid).cwd(), folder)
    except (psutil.Error, OSError):
        return True  # cannot be seen: it was started there


CASES = (
    Case(
        id="hygiene.tools-change",
        title="Tools that change under the client",
        severity=Severity.HIGH,
        sends="tools/list again, honest calls, and tools/list twice more",
        sound="lists what it listed before, unless it has said that the list changed",
        reference=spec("MCP 2026-07-28, Tools, Capabilities: the set MUST NOT vary as a side effect of other requests"),
        remedy="list the same tools in the same words; send notifications/tools/list_changed when they do change",
        play=tools_change,
        seconds=60.0,
    ),
    Case(
        id="hygiene.read-only-kept",
        title="Tools that say they only read",
        severity=Severity.HIGH,
        sends="honest calls of each tool with readOnlyHint",
        sound="changes no file in or around the workspace and nothing in the database",
        reference=spec("MCP 2025-11-25, schema.ts, readOnlyHint: the tool does not modify its environment"),
        remedy="take the hint away, or the change: clients call such tools without asking",
        play=read_only_kept,
        eras=Eras.ONCE,
        seconds=90.0,
    ),
    Case(
        id="hygiene.env-file",
        title="A .env in the working folder",
        severity=Severity.MEDIUM,
        sends="nothing: a .env stands in the folder in which the server is started",
        sound="does not read it",
        reference=measured(
            "FastMCP 4.1.0 reads .env at import: who can put a file into a project configures its server"
        ),
        remedy="read settings from the environment and from files that are named on purpose",
        play=env_file,
        transports=STDIO,
        eras=Eras.ONCE,
        seconds=45.0,
        own=True,
    ),
)
