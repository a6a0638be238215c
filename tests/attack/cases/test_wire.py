"""Each wire case passes a sound server, and finds a server with the fault that it is meant for."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest
from attack.cases import wire_faults as faults
from attack.cases.wire_peer import LEGACY, MODERN, Peer
from attack.cases.wire_session import Played, Weight, Wire, play

from holdfast_attack.cases import case_of
from holdfast_attack.cases.wire import CASES, bounds, cancelling, readers, streams
from holdfast_attack.cases.wire.idle import LOOK, LOOKS, Idle
from holdfast_attack.cases.wire.slow import slow_call
from holdfast_attack.link.session import Gone
from holdfast_attack.model import Eras, Found, Inconclusive, Lane, NotApplicable
from holdfast_attack.model.case import STDIO
from holdfast_attack.target.tree import Tree
from holdfast_attack.tools import Toolbox

LARGE = 512 * 2**20
PIPES: dict[str, Any] = {"stdin": asyncio.subprocess.PIPE, "stdout": asyncio.subprocess.PIPE}


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """The peer answers at once: nothing has to be waited for, and little shows as much as a lot."""
    monkeypatch.setattr(cancelling, "BEGUN", 0.0)
    monkeypatch.setattr(cancelling, "SERVED", 0.1)
    monkeypatch.setattr(bounds, "LINE", 2 * 2**20)
    monkeypatch.setattr(bounds, "ELEMENTS", 2**20 + 2**19)
    monkeypatch.setattr(readers, "WANTED", 8 * 2**20)
    monkeypatch.setattr(streams, "PIECES", 5)


def lanes(name: str) -> tuple[Lane, ...]:
    """Those in which a case is played."""
    eras = next(case for case in CASES if case.id == name).eras
    return (LEGACY,) if eras is Eras.LEGACY else (LEGACY, MODERN)


FAULTS: tuple[tuple[str, type[Peer], str], ...] = (
    ("wire.garbage", faults.Silent, "no answer"),
    ("wire.garbage", faults.Dies, "ended"),
    ("wire.empty-lines", faults.Hangs, "not answered"),
    ("wire.batch", faults.Silent, "no answer"),
    ("wire.invalid-utf8", faults.Lenient, "as though it were right"),
    ("wire.invalid-utf8", faults.Silent, "no answer"),
    ("wire.no-jsonrpc", faults.Careless, "as though it were right"),
    ("wire.no-method", faults.Silent, "no answer"),
    ("wire.no-method", faults.Careless, "as though it were right"),
    ("wire.params-list", faults.Silent, "no answer"),
    ("wire.duplicate-keys", faults.Lenient, "two methods: answered with a result"),
    ("wire.key-case", faults.AnyCase, "as though it were right"),
    ("wire.crlf", faults.Fussy, "nothing wrong with it"),
    ("wire.bom", faults.Silent, "no answer"),
    ("wire.nan", faults.Lenient, "NaN"),
    ("wire.infinity", faults.Lenient, "Infinity"),
    ("wire.big-integer", faults.Silent, "5,000 digits: no answer"),
    ("wire.deep", faults.Dies, "ended"),
    ("wire.deep", faults.Silent, "nested lists: no answer"),
    ("wire.id-null", faults.Notifies, "null: no answer"),
    ("wire.id-fraction", faults.Notifies, "1.5: no answer"),
    ("wire.id-bool", faults.Careless, "true: answered"),
    ("wire.id-object", faults.Silent, "no answer"),
    ("wire.id-huge", faults.Cuts, "another id"),
    ("wire.id-unbounded", Peer, "a megabyte is taken"),
    ("wire.id-reused", faults.Once, "1 of them answered"),
    ("wire.id-reused", faults.Twice, "4 times"),
    ("wire.id-types", faults.Text, "without an answer of its own"),
    ("wire.unknown-method", faults.Mute, "no answer"),
    ("wire.unknown-method", faults.Obliging, "a result where -32601"),
    ("wire.unknown-tool", faults.Obliging, "gave a result"),
    ("wire.unknown-tool", faults.Broken, "exception of the server"),
    ("wire.unknown-notification", faults.Replies, "a notification was answered"),
    ("wire.response-unasked", faults.Replies, "as if it were a request"),
    ("wire.before-initialize", faults.Early, "before the handshake: no answer"),
    ("wire.initialize-twice", faults.Mute, "no answer"),
    ("wire.version-unknown", faults.Obliging, "there is not"),
    ("wire.era-confusion", faults.Confused, "no answer"),
    ("wire.surrogate-argument", faults.Fragile, "ended"),
    ("wire.surrogate-argument", faults.Silent, "no answer"),
    ("wire.surrogate-result", faults.Fragile, "ended the server"),
    ("wire.cancel-unknown", faults.Surprised, "ended"),
    ("wire.cancel-unknown", faults.Replies, "a notification was answered"),
    ("wire.cancel-lookalike", faults.Coerces, "only looks alike"),
    ("wire.cancel-race", faults.Twice, "more than once"),
    ("wire.cancel-frees", faults.Full, "gets no answer"),
    ("wire.flood-notifications", faults.Replies, "answers to notifications"),
    ("wire.flood-requests", faults.Loses, "were not answered"),
    ("wire.flood-requests", faults.Twice, "more than once"),
    ("wire.slow-writer", faults.Hangs, "is not answered"),
    ("wire.half-line", faults.Stays, "has not ended"),
    ("wire.early-close", faults.Stays, "has not ended"),
    ("wire.signals", faults.Stays, "SIGTERM was sent twice"),
    ("wire.signals", faults.Hangs, "answers no more"),
    ("wire.reader-parked", faults.Stays, "waits for somebody to read"),
    ("wire.reader-stops", faults.Loses, "never came"),
    ("wire.reader-stops", faults.Twice, "more than once"),
)
HEAVY = ("wire.long-line", "wire.endless-line", "wire.elements", "wire.reader-stops")


@pytest.mark.parametrize(
    "name,lane", [(case.id, lane) for case in CASES if case.id != "wire.id-unbounded" for lane in lanes(case.id)]
)
async def test_a_sound_server_passes(name: str, lane: Lane, tmp_path: Path) -> None:
    assert await play(name, Peer(lane), tmp_path, Weight()) > 0


@pytest.mark.parametrize(
    "name,peer,words,lane", [(name, peer, words, lane) for name, peer, words in FAULTS for lane in lanes(name)]
)
async def test_a_fault_is_found(name: str, peer: type[Peer], words: str, lane: Lane, tmp_path: Path) -> None:
    with pytest.raises((Found, Gone), match=words):
        await play(name, peer(lane), tmp_path, Weight())


@pytest.mark.parametrize("name", HEAVY)
async def test_memory_that_grows_with_what_is_sent_is_found(name: str, tmp_path: Path) -> None:
    with pytest.raises(Found, match="memory grew by 512 MiB"):
        await play(name, Peer(LEGACY), tmp_path, Weight(LARGE))


@pytest.mark.parametrize("name", HEAVY)
async def test_memory_that_cannot_be_seen_says_nothing(name: str, tmp_path: Path) -> None:
    with pytest.raises(Inconclusive, match="cannot be seen"):
        await play(name, Peer(LEGACY), tmp_path, None)


BOUNDED = ("wire.long-line", "wire.endless-line", "wire.elements")


@pytest.mark.parametrize("name", BOUNDED)
async def test_a_line_that_is_too_long_may_end_the_connection_but_not_without_a_word(name: str, tmp_path: Path) -> None:
    assert await play(name, faults.Explains(LEGACY), tmp_path, Weight()) == 1
    with pytest.raises(Found, match="ended without a word"):
        await play(name, faults.Gives(LEGACY), tmp_path, Weight())
    with pytest.raises(Found, match="no answer; who waits"):
        await play(name, faults.Ignores(LEGACY), tmp_path, Weight())


async def test_a_refusal_bears_the_code_that_says_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(Found, match="the code -32603 where -32601"):
        await play("wire.unknown-method", faults.Broken(LEGACY), tmp_path)


async def test_without_a_tool_that_waits_there_is_nothing_to_cancel(tmp_path: Path) -> None:
    probe = Played(Wire(Peer(LEGACY)), tmp_path, tools=Toolbox.parse([]))
    for name in ("wire.cancel-lookalike", "wire.cancel-frees"):
        with pytest.raises(NotApplicable, match="no tool that may be called waits"):
            await case_of(name).play(probe)  # type: ignore[arg-type]


async def test_a_slow_call_lasts_as_long_as_is_wanted_in_the_unit_of_the_tool(tmp_path: Path) -> None:
    schema = {"type": "object", "properties": {"delay_ms": {"type": "integer"}}, "required": ["delay_ms"]}
    tool = {"name": "wait", "annotations": {"readOnlyHint": True}, "inputSchema": schema}
    probe = Played(Wire(Peer(LEGACY)), tmp_path, tools=Toolbox.parse([tool]))
    assert slow_call(probe, 2.0).arguments == {"delay_ms": 2000}  # type: ignore[arg-type]


def test_every_case_is_for_standard_input_and_output_and_has_time_for_one_that_hangs() -> None:
    assert all(case.transports == STDIO for case in CASES)
    assert all(case.seconds >= 45 for case in CASES)
    assert len({case.id for case in CASES}) == len(CASES)


@pytest.mark.parametrize("code,idle", [("input()", True), ("while True:\n    pass", False)])
async def test_a_server_that_works_is_told_from_one_that_waits(code: str, idle: bool) -> None:
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", f"print(flush=True)\n{code}", **PIPES)
    try:
        assert process.stdout is not None
        await process.stdout.readline()
        watch = Idle(Tree(process.pid))
        looks = 0
        while not (seen := watch.look()) and looks < 4 * LOOKS:
            looks += 1
            await asyncio.sleep(LOOK)
        assert seen is idle
    finally:
        process.kill()
        await process.wait()


async def test_what_cannot_be_seen_is_not_waited_for() -> None:
    assert Idle(None).look()
