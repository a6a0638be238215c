"""Whether a tool that fetches reaches a canary on this machine, by any spelling of its address."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast_attack.arena import WebCanary
from holdfast_attack.cases.aiming import Aim, aims, aims_and_guesses
from holdfast_attack.cases.paths.reading import escaped
from holdfast_attack.cases.trying import Judge, Shot, filled, fire, shots
from holdfast_attack.cases.urls.spellings import RESOLVE, SPELLINGS, Spelling
from holdfast_attack.link.reply import Reply
from holdfast_attack.model import Case, Eras, Kind, NotApplicable, Severity
from holdfast_attack.model.case import Play, advisory
from holdfast_attack.tools import Role

if TYPE_CHECKING:
    from holdfast_attack.play.probe import Probe

HOSTS = Path("/etc/hosts")
SOUND = "refuses; no connection reaches the canary"


def reached(web: WebCanary) -> Judge:
    """A judge: somebody has connected to the canary since the last look."""
    seen = web.reached

    def judge(shot: Shot, _reply: Reply) -> str | None:
        nonlocal seen
        if web.reached == seen:
            return None
        seen = web.reached
        return f"the URL in {shot.aim.label} was followed: a server on this machine's loopback address was reached"

    return judge


async def attempted(probe: Probe, web: WebCanary, targets: Sequence[Aim], urls: Callable[[Aim], Sequence[str]]) -> int:
    """Every URL on every parameter for them. A refusal counts although no honest URL works: none of the public web is
    used."""

    def values(aim: Aim) -> list[str]:
        return [filled(url, {"port": web.port}) for url in urls(aim)]

    return await fire(probe, shots(probe, targets, values), reached(web), must_work=False)


def spelled(spelling: Spelling) -> Play:
    """Tries one way of writing the address."""

    async def play(probe: Probe) -> int:
        targets = aims_and_guesses(probe, Role.URL) if spelling.guesses else aims(probe, Role.URL)
        async with WebCanary() as web:
            urls = spelling.urls if probe.full else spelling.urls[: spelling.quick]
            return await attempted(probe, web, targets, lambda aim: spelling.guesses if aim.guessed else urls)

    return play


async def by_name(probe: Probe) -> int:
    """Names that are not called localhost and mean this machine."""
    targets = aims(probe, Role.URL)
    names = loopback_names(_hosts())
    if not names:
        raise NotApplicable("no name of this machine's own (/etc/hosts) leads to a loopback address")
    addresses = tuple(dict.fromkeys(address for _, address in names))
    async with WebCanary(extra=addresses) as web:
        known = [name for name, address in names if address in web.listens_on]
        urls = [f"http://{name}:{{port}}/page" for name in known[: 6 if probe.full else 2]]
        return await attempted(probe, web, targets, lambda _aim: urls)


def _hosts() -> str:
    try:
        return HOSTS.read_text(errors="replace")[:100_000]
    except OSError:
        return ""


def loopback_names(hosts: str) -> list[tuple[str, str]]:
    """Names in a file of hosts whose address is a loopback one, and which do not say so themselves."""
    found = []
    for line in hosts.splitlines():
        address, *names = line.partition("#")[0].split() or [""]
        try:
            loopback = ipaddress.ip_address(address).is_loopback
        except ValueError:
            continue
        if loopback:
            found += [(name, address) for name in names if "localhost" not in name]
    return found


async def file_scheme(probe: Probe) -> int:
    """A file by its URL."""
    targets = aims(probe, Role.URL)
    urls = ["file://{outside}/secret.txt", "file:///proc/self/environ", "file://localhost{outside}/secret.txt"]
    urls += ["FILE:{outside}/secret.txt", "url:file://{outside}/secret.txt", "local_file://{outside}/secret.txt"]
    chosen = urls if probe.full else urls[:3]
    return await fire(probe, shots(probe, targets, lambda _aim: chosen), escaped(probe.arena), must_work=False)


CASES = (
    *(each.case(Kind.URLS, SOUND, spelled(each)) for each in SPELLINGS),
    Case(
        id="urls.name",
        title="A name that leads to this machine is not fetched",
        severity=Severity.HIGH,
        eras=Eras.ONCE,
        seconds=60.0,
        sends="URLs with other names that this machine has for its loopback addresses",
        sound=SOUND,
        reference=advisory("CVE-2026-61612 (ckan-mcp-server: the name is checked, its addresses are not), CWE-918"),
        remedy=RESOLVE,
        advisories=("CVE-2026-61612",),
        play=by_name,
    ),
    Case(
        id="urls.file-scheme",
        title="A file: URL is not fetched",
        severity=Severity.CRITICAL,
        eras=Eras.ONCE,
        seconds=60.0,
        sends="file: URLs of a file outside the root and of the server's environment",
        sound="refuses; nothing of the file comes back",
        reference=advisory("CWE-918, CWE-73"),
        remedy="allow http and https only",
        play=file_scheme,
    ),
)
