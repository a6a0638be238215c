"""Redirects: to where the tool would not go by itself, without an end, and with the caller's credentials."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from holdfast_attack.arena import WebCanary
from holdfast_attack.cases.aiming import Aim, aims
from holdfast_attack.cases.urls.spellings import RESOLVE
from holdfast_attack.model import Case, Eras, Finding, FoundSeveral, NotApplicable, Severity
from holdfast_attack.model.case import advisory, measured
from holdfast_attack.tools import Role
from holdfast_attack.tools.roles import types_of

if TYPE_CHECKING:
    from holdfast_attack.play.probe import Probe

WITHIN = 10.0
MOST_HOPS = 60
"""Redirects that are followed at most: browsers stop at 20, curl at 50, requests at 30."""
UNREACHED = "no tool follows a URL of the attack to where it leads, so that no redirect can be shown to one"


async def redirect(probe: Probe) -> int:
    """To an address that is refused when it is named directly."""
    arena = probe.arena
    number = 0
    findings = []
    async with arena.web as first, WebCanary() as second:
        for aim in aims(probe, Role.URL):
            if await _reaches(probe, aim, second.url("/direct"), second):
                continue  # it goes there without any redirect: other cases say so
            target = second.url("/redirected")
            went = await _reaches(probe, aim, first.url(f"/redirect?to={quote(target, safe='')}"), first)
            number += went
            if went and any(hit.path == "/redirected" for hit in second.hits):
                what = "a redirect was followed to a loopback address that is refused when it is named directly"
                findings.append(Finding(what, aim.tool.name))
    if findings:
        raise FoundSeveral(tuple(findings))
    if not number:
        raise NotApplicable(UNREACHED)
    return number


async def loop(probe: Probe) -> int:
    """Redirects without an end."""
    number = 0
    async with WebCanary() as web:
        for aim in aims(probe, Role.URL):
            before = web.reached
            reply = await probe.call(aim.tool.name, aim.holding(web.url("/loop")), within=2 * WITHIN)
            hops = web.reached - before
            number += hops > 0
            if hops > MOST_HOPS or (hops and reply.silent):
                what = f"redirects in a circle were followed {hops} times" + (", and no answer came" * reply.silent)
                raise FoundSeveral((Finding(what, aim.tool.name),))
    if not number:
        raise NotApplicable(UNREACHED)
    return number


async def credentials(probe: Probe) -> int:
    """A caller's header with a secret, and a redirect to another origin."""
    secret = probe.arena.canaries.argument("authorization")
    number = 0
    async with WebCanary() as first, WebCanary() as second:
        for aim in aims(probe, Role.URL):
            for name in _headers(aim):
                target = first.url(f"/redirect?to={quote(second.url('/page', 'localhost'), safe='')}")
                arguments = {**aim.holding(target), name: {"Authorization": f"Bearer {secret}"}}
                await probe.call(aim.tool.name, arguments, within=WITHIN)
                number += any(secret in str(hit.headers) for hit in first.hits) and bool(second.hits)
                if any(secret in str(hit.headers) for hit in second.hits):
                    what = "a caller's Authorization header was sent on to another origin after a redirect"
                    raise FoundSeveral((Finding(what, aim.tool.name),))
    if not number:
        raise NotApplicable("no tool sends headers of its caller and follows redirects to another origin")
    return number


def _headers(aim: Aim) -> list[str]:
    """Parameters for headers of the request."""
    return [
        one.name for one in aim.tool.parameters if "header" in one.name.lower() and "object" in types_of(one.schema)
    ]


async def _reaches(probe: Probe, aim: Aim, url: str, web: WebCanary) -> bool:
    before = web.reached
    await probe.call(aim.tool.name, aim.holding(url), within=WITHIN)
    return web.reached > before


CASES = (
    Case(
        id="urls.redirect",
        title="A redirect leads nowhere that a URL may not lead to",
        severity=Severity.HIGH,
        eras=Eras.ONCE,
        seconds=60.0,
        sends="a URL that is allowed and redirects to a loopback address that is not",
        sound="checks each redirect as it checks the URL, or follows none",
        reference=advisory("CVE-2026-77242 (mcp-atlassian: what was checked is not what is connected to), CWE-918"),
        remedy="follow redirects by hand and check each: " + RESOLVE,
        advisories=("CVE-2026-77242",),
        play=redirect,
    ),
    Case(
        id="urls.redirect-loop",
        title="Redirects in a circle come to an end",
        severity=Severity.MEDIUM,
        eras=Eras.ONCE,
        seconds=60.0,
        sends="a URL that redirects to itself",
        sound=f"stops after no more than {MOST_HOPS} redirects, and answers within {2 * WITHIN:g} s",
        reference=measured("browsers stop at 20 redirects, requests at 30, curl at 50; RFC 9110, section 15.4"),
        remedy="count redirects, and stop at ten",
        play=loop,
    ),
    Case(
        id="urls.credentials",
        title="A caller's credentials are not sent to another origin",
        severity=Severity.HIGH,
        eras=Eras.ONCE,
        seconds=60.0,
        sends="a header Authorization, and a URL that redirects to another origin",
        sound="drops the header at the change of origin, or follows no redirect",
        reference=advisory("AIKIDO-2026-10318 (a caller's Authorization sent on to another origin), CWE-200"),
        remedy="drop Authorization and Cookie when scheme, host or port change",
        advisories=("AIKIDO-2026-10318",),
        play=credentials,
    ),
)
