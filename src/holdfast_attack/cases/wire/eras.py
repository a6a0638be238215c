"""The handshake, left out, made twice or with a version that nobody has; and both eras on one connection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast_attack.cases.wire.hearing import PATIENCE, Message, is_answer, send
from holdfast_attack.link.messages import INITIALIZED, LEGACY, MODERN, encoded, initialize, is_modern, key, request
from holdfast_attack.link.session import Gone
from holdfast_attack.link.stdio import Heard, StdioSession
from holdfast_attack.model import Case, Eras, Found, Severity
from holdfast_attack.model.case import STDIO, alone, spec

if TYPE_CHECKING:
    from holdfast_attack.play.probe import Probe

NOBODYS = "1999-12-31"
UNSUPPORTED = -32022
LATER = 15.0


async def _answer(session: StdioSession, message: Message, what: str, within: float = LATER) -> Message:
    """The answer to one request. Raises ``Found`` for none, and ``Gone``."""
    session.mark()
    await send(session, encoded(message) + b"\n")
    wanted = key(message["id"])
    heard: Heard | None = await session.wait(lambda said: is_answer(said) and key(said.get("id")) == wanted, within)
    if heard is None and session.ended:
        raise Gone(f"its output ended after {what}")
    if heard is None:
        raise Found(f"{what}: no answer within {within:g} s; who waits for one waits for ever", sent=encoded(message))
    return heard.message


async def before_initialize(probe: Probe) -> int:
    """A request before the handshake is answered somehow, and the handshake works afterwards."""
    async with probe.fresh_stdio(greeted=False) as session:
        early = request(session.lane.version, "tools/list", None, 1)
        await _answer(session, early, "a request before the handshake")
        await _shakes_hands(session, initialize(session.lane.version, 2), "after a request that came before it")
    return 1


async def _shakes_hands(session: StdioSession, greeting: Message, when: str) -> Message:
    said = await _answer(session, greeting, f"the handshake {when}")
    if "error" in said:
        raise Found(f"the handshake {when} is refused")
    await send(session, encoded(INITIALIZED) + b"\n")
    if not await session.alive():
        raise Found(f"after the handshake {when} no honest request is answered")
    return said


async def initialize_twice(probe: Probe) -> int:
    """A second handshake is answered, and changes nothing."""
    session = await probe.stdio()
    second = initialize(session.lane.version, session.message("tools/list")["id"])
    await _answer(session, second, "a second handshake")
    return 1


async def version_unknown(probe: Probe) -> int:
    """A version that does not exist: another one is offered, or the request is refused by name."""
    if is_modern(probe.lane.version):
        return await _modern_version(probe)
    async with probe.fresh_stdio(greeted=False) as session:
        said = await _answer(session, initialize(NOBODYS, 1), f"a handshake for the version {NOBODYS}")
        result = said.get("result")
        if isinstance(result, dict) and result.get("protocolVersion") in (None, NOBODYS):
            raise Found(f"a handshake for the version {NOBODYS} is accepted, which there is not")
    return 1


async def _modern_version(probe: Probe) -> int:
    session = await probe.stdio()
    asked = request(NOBODYS.replace("1999", "2999"), "tools/list", None, session.message("tools/list")["id"])
    said = await _answer(session, asked, "a request of a version that there is not")
    error = said.get("error")
    if not isinstance(error, dict):
        raise Found("a request of a version that there is not is served")
    if error.get("code") != UNSUPPORTED or not _names_versions(error.get("data")):
        raise Found(f"a request of a version that there is not: no {UNSUPPORTED} that names those there are")
    return 1


def _names_versions(data: object) -> bool:
    return isinstance(data, dict) and isinstance(data.get("supported"), list)


async def era_confusion(probe: Probe) -> int:
    """On one connection requests of the other era are answered, whatever the answer is."""
    modern = is_modern(probe.lane.version)
    other = LEGACY[0] if modern else MODERN
    asked = (
        request(other, "tools/list", None, 900_001),
        initialize(other, 900_002) if modern else request(other, "server/discover", None, 900_002),
        request(other, "holdfast-attack/no-such-method", None, 900_003),
    )
    async with probe.fresh_stdio() as session:
        for message in asked:
            await _answer(session, message, f"{message['method']} as the version {other} has it")
        if not await session.alive(PATIENCE):
            raise Found(f"after requests of the version {other} no honest request is answered")
    return len(asked)


CASES = (
    alone(
        id="wire.before-initialize",
        title="Requests before the handshake",
        severity=Severity.MEDIUM,
        sends="tools/list before the handshake, and the handshake behind it",
        sound="answers the early one, with a result or an error, and shakes hands afterwards",
        reference=spec("JSON-RPC 2.0, section 5: the server MUST reply; MCP 2026-07-28, stdio, Backward Compatibility"),
        remedy="answer early requests with an error and go on waiting for the handshake",
        play=before_initialize,
        transports=STDIO,
        eras=Eras.LEGACY,
        seconds=60.0,
    ),
    Case(
        id="wire.initialize-twice",
        title="A second handshake",
        severity=Severity.LOW,
        sends="initialize on a connection that has it behind itself",
        sound="answers it, with a result or an error, and goes on",
        reference=spec("JSON-RPC 2.0, section 5: the server MUST reply; MCP 2025-11-25, Lifecycle"),
        remedy="refuse it with -32600, or answer it as before",
        play=initialize_twice,
        transports=STDIO,
        seconds=45.0,
        eras=Eras.LEGACY,
    ),
    alone(
        id="wire.version-unknown",
        title="A version of the protocol that does not exist",
        severity=Severity.MEDIUM,
        sends="a handshake, or in the era without one a request, of a version that does not exist",
        sound=f"offers a version that it has; without a handshake refuses with {UNSUPPORTED} and names them",
        reference=spec("MCP 2025-11-25, Lifecycle, Version Negotiation; 2026-07-28, Versioning"),
        remedy="compare the version with those that you serve",
        play=version_unknown,
        transports=STDIO,
        seconds=45.0,
    ),
    alone(
        id="wire.era-confusion",
        title="Both eras on one connection",
        severity=Severity.MEDIUM,
        sends="on a connection of one era requests as the other one has them",
        sound="answers each, with a result or an error, and goes on",
        reference=spec("MCP 2026-07-28, Versioning; JSON-RPC 2.0, section 5: the server MUST reply"),
        remedy="decide by each request, or refuse the other era by name; leave none without an answer",
        play=era_confusion,
        transports=STDIO,
        seconds=45.0,
    ),
)
