"""A value that becomes part of the path of a URL: it must not lead to another path of the same server."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from holdfast_attack.arena import Hit, WebCanary
from holdfast_attack.cases.aiming import Aim, aims
from holdfast_attack.cases.trying import Judge, Shot, fire, shots
from holdfast_attack.link.reply import Reply
from holdfast_attack.model import Case, Eras, NotApplicable, Severity
from holdfast_attack.model.case import advisory
from holdfast_attack.tools import Role
from holdfast_attack.tools.roles import types_of

if TYPE_CHECKING:
    from holdfast_attack.play.probe import Probe

BASE = "/v1/"
"""The path of API_BASE_URL in the server's environment, beneath which every honest request stays."""
VALUES = ("../../admin/secret", "../../../admin", "..%2f..%2fadmin", "1?admin=1#", "1;/../../admin", "..\\..\\admin")


async def traversal(probe: Probe) -> int:
    """Only for servers that get an address from API_BASE_URL."""
    async with probe.arena.web as web:
        targets = await _callers(probe, web)
        values = VALUES if probe.full else VALUES[:2]
        return await fire(probe, shots(probe, targets, lambda _aim: values), _strayed(web), must_work=False)


async def _callers(probe: Probe, web: WebCanary) -> list[Aim]:
    """Text parameters of tools whose honest call reaches the address in the server's environment."""
    found = []
    called: dict[str, bool] = {}
    for aim in aims(probe, Role.OTHER, Role.TEXT, Role.ARGUMENT, Role.PATH):
        if "string" not in types_of(aim.parameter.schema):
            continue
        name = aim.tool.name
        if name not in called:
            before = web.reached
            await probe.call(name, aim.arguments)
            called[name] = web.reached > before
        found += [aim] if called[name] else []
    if not found:
        raise NotApplicable("no tool calls the address that the server's environment names (API_BASE_URL)")
    return found


def _strayed(web: WebCanary) -> Judge:
    """A judge: a request was made to a path outside of the base."""
    seen = len(web.hits)

    def judge(shot: Shot, _reply: Reply) -> str | None:
        nonlocal seen
        new, seen = web.hits[seen:], len(web.hits)
        for hit in new:
            if strays(hit):
                return f"{shot.aim.label} led the request to another path: {hit.method} {hit.path[:200]}"
        return None

    return judge


def strays(hit: Hit) -> bool:
    """Whether a request's path leaves the base, as most servers read it: %2e is a dot, %2f no separator (RFC 3986)."""
    path = urlsplit(hit.path).path if hit.path.startswith("/") else hit.path
    parts = [part if "/" in unquote(part) else unquote(part) for part in path.split("/")]
    whole = posixpath.normpath("/".join(parts)) + "/"
    return not whole.startswith(BASE)


CASES = (
    Case(
        id="urls.traversal",
        title="A value in the path of a URL stays in its place",
        severity=Severity.HIGH,
        eras=Eras.ONCE,
        seconds=30.0,
        sends="values with ../ to tools that call the address in API_BASE_URL, which is a canary's",
        sound="refuses, or percent-encodes the value; every request stays beneath the address that was given",
        reference=advisory("CVE-2026-61462 (mcp-gitlab: ../ in a parameter of a path), CWE-22"),
        remedy="percent-encode each value for its place (urllib.parse.quote(value, safe='')), and refuse . and ..",
        advisories=("CVE-2026-61462",),
        play=traversal,
    ),
)
