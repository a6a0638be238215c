"""Two ways of serving must give the same answers: everything through the SDK, and common messages directly.

``DIFFERENTIAL=10`` plays ten times as many messages; ``DIFFERENTIAL_SEED`` repeats a run whose seed a failure told.
"""

from __future__ import annotations

import asyncio
import os
import random
import runpy
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from support.compare import Answer, Divergence, Step, differences, settled, step, told
from support.duet import HttpServer, PipeClient, StdioServer, both
from support.grammar import FOLLOWING, INITIALIZE, OPENINGS, cancelled, chosen, enveloped, request, stdio_steps
from support.peers import MODERN
from support.posts import conformance, greetings, http_steps

from holdfast.wire.claim import Claim
from holdfast.wire.stdioserver import serve

SERVER = Path(__file__).parent / "servers" / "differential.py"
OTHER = Path(__file__).parent / "servers" / "talking.py"
EVERYTHING = Path(__file__).parents[2] / "examples" / "everything.py"
SCALE = float(os.environ.get("DIFFERENTIAL", "1"))
SEED = int(os.environ.get("DIFFERENTIAL_SEED", "1" if os.environ.get("CI") else str(random.randrange(10**6))))
SDK, OURS = {"HOLDFAST_FAST_PATH": "false"}, {"HOLDFAST_FAST_PATH": "true"}
HTTP = {
    "sessions and streams": {},
    "sessions and JSON": {"HOLDFAST_HTTP__JSON_RESPONSE": "true"},
    "no sessions": {"HOLDFAST_HTTP__STATELESS": "true", "HOLDFAST_HTTP__JSON_RESPONSE": "true"},
}
KNOWN: tuple[Divergence, ...] = ()
"""Where we follow the specification and the SDK does not. Each entry says what was sent, what each answers, and why."""


def count(usual: int) -> int:
    """How many messages to play."""
    return round(usual * SCALE)


def agree(steps: Sequence[Step], sdk: Sequence[Answer], ours: Sequence[Answer]) -> None:
    """Every answer is the same, and the servers are still there at the end."""
    found = differences(steps, sdk, ours, KNOWN)
    assert not found, f"seed {SEED}: {told(found)}"
    assert not [what.said() for what, answer in zip(steps, sdk, strict=True) if "'ended'" in str(answer)]


def stdio_pair(base: Path, script: Path, stack: ExitStack) -> tuple[StdioServer, StdioServer]:
    """Two processes, started together."""
    one = stack.enter_context(StdioServer(script, base / "sdk", **SDK))
    return one, stack.enter_context(StdioServer(script, base / "ours", **OURS))


def http_pair(base: Path, script: Path, stack: ExitStack, mode: str) -> tuple[HttpServer, HttpServer]:
    """Two servers, one after the other: together they might be given the same free port."""
    one = stack.enter_context(HttpServer(script, base / "sdk", **HTTP[mode], **SDK))
    other = stack.enter_context(HttpServer(script, base / "ours", **HTTP[mode], **OURS))
    return one, other


def opening(version: str) -> list[Step]:
    """How a client of ``version`` begins."""
    if version == MODERN:
        return [step(request("server/discover", enveloped({}), 1))]
    hello = request("initialize", {"protocolVersion": version, **INITIALIZE}, 1)
    return [step(hello), step({"jsonrpc": "2.0", "method": "notifications/initialized"})]


@pytest.mark.parametrize("version", ["2025-11-25", MODERN])
def test_over_pipes_every_message_gets_the_same_answer(tmp_path: Path, version: str) -> None:
    rng = random.Random(f"{SEED} {version}")
    bodies = chosen(version, rng, count(600))
    steps = opening(version) + stdio_steps(bodies, rng) + opening(version) + cancelled(version)
    with ExitStack() as stack:
        one, other = stdio_pair(tmp_path, SERVER, stack)
        agree(steps, *both(one.play, other.play, steps))


@pytest.mark.parametrize("mode", HTTP)
def test_over_http_every_message_gets_the_same_answer(tmp_path: Path, mode: str) -> None:
    rng = random.Random(f"{SEED} {mode}")
    steps = http_steps("2025-06-18", rng, count(250)) + http_steps(MODERN, rng, count(250))
    with ExitStack() as stack:
        one, other = http_pair(tmp_path, SERVER, stack, mode)
        agree(steps, *both(one.play, other.play, steps))


@pytest.mark.parametrize("mode", list(HTTP) if SCALE > 1 else ["sessions and streams", "no sessions"])
def test_what_the_conformance_suite_sends_over_http_gets_the_same_answers(tmp_path: Path, mode: str) -> None:
    steps = [*greetings("2025-11-25"), *conformance()]
    with ExitStack() as stack:
        one, other = http_pair(tmp_path, EVERYTHING, stack, mode)
        agree(steps, *both(one.play, other.play, steps))


class Pipes(Claim):
    """Descriptors that were never the process' own."""

    def release(self) -> None:
        """Close ours."""
        if not self.released:
            self.released = True
            os.close(self.input)
            os.close(self.output)


async def connected(
    base: Path, steps: Sequence[Step], way: Mapping[str, str], script: Path = SERVER, **settings: Any
) -> list[Answer]:
    """One connection to a server in this process: the wire is the real one, but it begins in no time."""
    server = runpy.run_path(str(script))["server"]
    fast = way["HOLDFAST_FAST_PATH"] == "true"
    loaded = server.load_settings(
        state=base, log__file=base / "log", limits__rate="1000000/second", fast_path=fast, **settings
    )
    ours_in, write = os.pipe()
    read, ours_out = os.pipe()
    serving = asyncio.ensure_future(serve(server, loaded, Pipes(ours_in, ours_out)))
    try:
        return await asyncio.to_thread(PipeClient(write, read).play, steps)
    finally:
        os.close(write)
        await asyncio.wait_for(serving, 10)
        os.close(read)


@pytest.mark.parametrize("first", OPENINGS)
async def test_however_a_connection_begins_both_go_on_alike(tmp_path: Path, first: str) -> None:
    steps = [step(body) for body in (*OPENINGS[first], *FOLLOWING)]
    agree(steps, await connected(tmp_path, steps, SDK), await connected(tmp_path, steps, OURS))


@pytest.mark.parametrize("version", ["2025-11-25", MODERN])
async def test_what_the_conformance_suite_sends_gets_the_same_answers_over_pipes(tmp_path: Path, version: str) -> None:
    steps = opening(version) + [Step(what.bodies) for what in conformance() if what.bodies[0] is not None]
    sdk, ours = [await connected(tmp_path, steps, way, EVERYTHING) for way in (SDK, OURS)]
    agree(steps, sdk, ours)


@pytest.mark.parametrize("version", ["2025-11-25", MODERN])
async def test_where_something_is_granted_both_show_and_hide_the_same(tmp_path: Path, version: str) -> None:
    grants = {"*": [{"tools": f"{letter}*", "prompts": "*"} for letter in "aces"]}
    rng = random.Random(f"{SEED} grants {version}")
    steps = opening(version) + stdio_steps(chosen(version, rng, count(150)), rng)
    sdk, ours = [await connected(tmp_path, steps, way, access__grants=grants) for way in (SDK, OURS)]
    agree(steps, sdk, ours)


async def test_a_different_server_is_noticed(tmp_path: Path) -> None:
    steps = [*opening("2025-11-25"), step(request("ping", {}, 2)), step(request("tools/list", {}, 3))]
    sdk, ours = await connected(tmp_path, steps, SDK), await connected(tmp_path, steps, OURS, OTHER)
    assert [difference.place for difference in differences(steps, sdk, ours)] == [0, 3]


def test_what_is_played_is_thousands_of_messages_and_hardly_two_of_them_are_the_same() -> None:
    rng = random.Random(SEED)
    piped = [what for version in ("2025-11-25", MODERN) for what in stdio_steps(chosen(version, rng, 600), rng)]
    posted = [what for version in ("2025-06-18", MODERN) for _ in HTTP for what in http_steps(version, rng, 250)]
    assert len(piped) > 1_000
    assert len(posted) > 1_000
    assert len({what.said() for what in (*piped, *posted)}) > 2_000


def test_answers_that_differ_only_by_chance_are_equal_and_all_others_are_not() -> None:
    what = [step(request("tools/call", {"name": "x"}, 1))]
    said = {"id": 1, "result": {"requestState": "v1." + "a" * 60, "text": "incident: 0123456789ab", "n": 1}}
    again = {"id": 1, "result": {"requestState": "v1." + "b" * 50, "text": "incident: ba9876543210", "n": 1}}
    assert differences(what, [[said]], [[again]]) == []
    for other in (1.0, True, "1", None, 2):
        changed = {**again, "result": {**again["result"], "n": other}}
        assert len(differences(what, [[said]], [[changed]])) == 1, other
    assert len(differences(what, [[said]], [[{**again, "id": "1"}]])) == 1
    assert len(differences(what, [[said]], [[]])) == 1
    assert settled({"a": [True, 1, None, "x"]}) == settled({"a": [True, 1, None, "x"]})
    (found,) = differences(what, [[said]], [[{**again, "extra": None}]])
    assert "tools/call" in told([found])
    assert '"extra": null' in told([found])


def test_a_known_divergence_excuses_what_it_describes_and_nothing_else() -> None:
    what = [step(request("tools/call", {"name": "x"}, 1))]
    known = Divergence(
        "the SDK loses the content", [{"params": {"name": "x"}}], [{"result": {}}], [{"result": {"content": [...]}}]
    )
    sdk, ours = [[{"id": 1, "result": {}}]], [[{"id": 1, "result": {"content": ["c"]}}]]
    assert differences(what, sdk, ours, [known]) == []
    assert len(differences(what, ours, sdk, [known])) == 1
    assert len(differences([step(request("tools/call", {"name": "y"}, 1))], sdk, ours, [known])) == 1
    assert len(differences(what, sdk, [[{"id": 1, "result": {"content": []}}]], [known])) == 1
