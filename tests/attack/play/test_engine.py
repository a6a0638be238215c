"""A whole run against real small servers: whatever they do, every case has a verdict and nothing is left."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest
from attack.play.servers import command

from holdfast.errors import ConfigurationError
from holdfast_attack.model import (
    Case,
    Eras,
    Found,
    Inconclusive,
    Kind,
    NotApplicable,
    Outcome,
    Report,
    Severity,
    Verdict,
)
from holdfast_attack.model.case import measured, taste
from holdfast_attack.play import Plan, Probe, attack
from holdfast_attack.play.aftermath import aftermath
from holdfast_attack.target import CannotStart


def case(name: str, play: Any, **more: Any) -> Case:
    """A case that is made for one test."""
    facts: dict[str, Any] = {"severity": Severity.HIGH, "reference": measured("here"), "eras": Eras.EACH} | more
    return Case(id=f"wire.{name}", title=name, sends="x", sound="y", remedy="z", play=play, **facts)


async def echo(probe: Probe) -> int:
    reply = await probe.call("echo", {"text": "hello"})
    if reply.text != "hello":
        raise Found("it says something else", tool="echo")
    return 1


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    return tmp_path / "temporary"


async def run(folder: Path, cases: list[Case], put: str = "", **options: Any) -> Report:
    plan = Plan.of(command(folder, put), **({"patience": 10.0} | options))
    return await attack(plan, cases=cases)


async def test_a_sound_server_passes_and_is_told_of(tmp_path: Path, temporary: Path) -> None:
    report = await run(tmp_path, [case("echo", echo)])
    (outcome,) = report.outcomes
    assert outcome.verdict is Verdict.PASSED
    assert (outcome.attempts, str(outcome.lane)) == (1, "stdio/2025-11-25")
    assert (report.subject.name, report.subject.version, report.subject.tools) == ("small", "3", 1)
    assert report.seconds < report.limit
    assert not list(temporary.glob("holdfast-attack-*/*"))


async def test_a_finding_carries_the_bytes_that_show_it(tmp_path: Path) -> None:
    (outcome,) = (await run(tmp_path, [case("echo", echo)], "def call(said): return {'result': {}}")).outcomes
    assert outcome.verdict is Verdict.FAILED
    (finding,) = outcome.findings
    assert (finding.what, finding.tool) == ("it says something else", "echo")
    assert b'"text":"hello"' in finding.sent
    assert b'"result": {}' in finding.got


async def ends(how: str) -> Any:
    async def play(probe: Probe) -> int:
        session = await probe.session()
        await session.ask("tools/list")
        match how:
            case "nothing":
                return 0
            case "missing":
                raise NotApplicable("no tool for it")
            case "kept":
                raise Inconclusive("kept from it")
            case "mistake":
                raise KeyError("oops")
            case "late":
                await asyncio.Event().wait()
        return 1

    return play


@pytest.mark.parametrize(
    "how, verdict, why",
    [
        ("nothing", Verdict.NOT_APPLICABLE, "nothing to try it on"),
        ("missing", Verdict.NOT_APPLICABLE, "no tool for it"),
        ("kept", Verdict.INCONCLUSIVE, "kept from it"),
        ("mistake", Verdict.INCONCLUSIVE, "the case itself failed (KeyError"),
        ("late", Verdict.INCONCLUSIVE, "its deadline"),
    ],
)
async def test_every_other_end_of_a_case_has_its_verdict_and_reason(
    how: str, verdict: Verdict, why: str, tmp_path: Path
) -> None:
    (outcome,) = (await run(tmp_path, [case("ends", await ends(how), seconds=0.3)])).outcomes
    assert outcome.verdict is verdict
    assert why in outcome.why


async def test_what_only_taste_backs_is_advice(tmp_path: Path) -> None:
    async def play(_probe: Probe) -> int:
        raise Found("I would not do that")

    facts = {"severity": Severity.ADVICE, "reference": taste("ours")}
    (outcome,) = (await run(tmp_path, [case("taste", play, **facts)])).outcomes
    assert outcome.verdict is Verdict.ADVICE


async def shout(probe: Probe) -> int:
    session = await probe.stdio()
    await session.write(b"garbage\n")
    return 1


async def test_the_case_that_ends_the_server_fails_and_the_next_has_a_new_one(tmp_path: Path) -> None:
    outcomes = (await run(tmp_path, [case("shout", shout), case("echo", echo)])).outcomes
    assert [outcome.verdict for outcome in outcomes] == [Verdict.FAILED, Verdict.PASSED]
    assert "no honest request" in outcomes[0].why


async def test_a_server_that_goes_away_in_the_middle_fails_the_case(tmp_path: Path) -> None:
    (outcome,) = (await run(tmp_path, [case("echo", echo)], "calls = [1]\ndef call(said):\n  os._exit(3)")).outcomes
    assert outcome.verdict is Verdict.FAILED
    assert "went away" in outcome.why


LIMITED = """
times = []
def call(said):
    times.append(1)
    if len(times) in (2, 3):
        return {"error": {"code": -32000, "message": "too many requests", "data": {"retryAfter": %s}}}
    return {"result": {"content": [{"type": "text", "text": said["params"]["arguments"]["text"]}]}}
"""


@pytest.mark.parametrize("seconds", ["0.01", "3600"])
async def test_what_a_limit_refuses_is_tried_again_whatever_it_takes(seconds: str, tmp_path: Path) -> None:
    """The honest call is the first; the case's own are refused, and waited for, or a new server is started."""
    (outcome,) = (await run(tmp_path, [case("echo", echo)], LIMITED % seconds)).outcomes
    assert outcome.verdict is Verdict.PASSED


async def test_a_case_that_limits_keep_from_being_tried_is_inconclusive(tmp_path: Path) -> None:
    put = "def call(said): return {'error': {'code': 1, 'message': 'rate limit', 'data': {'retryAfter': 0.01}}}"
    (outcome,) = (await run(tmp_path, [case("echo", echo)], put)).outcomes
    assert outcome.verdict is Verdict.INCONCLUSIVE
    assert "limit" in outcome.why


@pytest.mark.parametrize(
    "told",
    [
        {"annotations": {"readOnlyHint": False}},
        {"annotations": {}, "name": "set_echo"},
        {"annotations": {}, "name": "do"},
    ],
)
async def test_a_tool_that_is_not_read_only_is_called_only_when_that_is_allowed(tmp_path: Path, told: object) -> None:
    put = f"TOOLS[0].update({told})\ndef call(said):\n  open('called', 'w'); return {{'result': {{'content': []}}}}"
    seen: list[bool] = []

    async def look(probe: Probe) -> int:
        await (await probe.session()).ask("tools/list")
        seen.append((probe.arena.workspace / "called").exists())
        return 1

    await run(tmp_path, [case("look", look)], put)
    await run(tmp_path, [case("look", look)], put, allow_writes=True)
    assert seen == [False, True]


async def test_when_the_time_of_the_run_is_over_the_rest_is_inconclusive(tmp_path: Path) -> None:
    async def wait(_probe: Probe) -> int:
        await asyncio.Event().wait()
        return 1

    report = await run(tmp_path, [case("wait", wait, seconds=600.0), case("echo", echo)], limit=4.0)
    assert [outcome.verdict for outcome in report.outcomes] == [Verdict.INCONCLUSIVE, Verdict.INCONCLUSIVE]
    assert "time of the whole run" in report.outcomes[1].why
    assert report.seconds < 20


@pytest.mark.parametrize(
    "put, why",
    [
        ("sys.exit('no such setting')", "status 1: no such setting"),
        ("time.sleep(600)", "has not answered within 1 s"),
        ("print('hello'); time.sleep(600)", "has not answered within 1 s"),
        ("while True: print('x' * 1000)", "has not answered within 1 s"),
        ("def answer(said): return {'error': {'code': 1, 'message': 'no'}}", "with an error"),
    ],
)
async def test_a_server_that_does_not_start_is_said_in_words(
    put: str, why: str, tmp_path: Path, temporary: Path
) -> None:
    with pytest.raises(CannotStart, match=why):
        await run(tmp_path, [case("echo", echo)], put, patience=1.0)
    assert not list(temporary.glob("holdfast-attack-*/*"))


async def test_a_server_that_needs_the_users_folder_is_started_there(tmp_path: Path) -> None:
    (tmp_path / "here").touch()
    put = "if not os.path.exists('here'): sys.exit('nothing here')"
    report = await run(tmp_path, [case("echo", echo)], put, here=tmp_path)
    assert report.outcomes[0].verdict is Verdict.PASSED
    assert any("the one that you are in" in note for note in report.notes)


async def test_cases_are_played_side_by_side_only_when_they_say_so(tmp_path: Path) -> None:
    under_way: set[str] = set()
    most = {"beside": 0, "alone": 0}

    def playing(name: str) -> Any:
        async def play(_probe: Probe) -> int:
            under_way.add(name)
            kind = name.partition("-")[0]
            most[kind] = max(most[kind], len(under_way))
            await asyncio.sleep(0.01)
            under_way.remove(name)
            return 1

        return play

    cases = [case(f"beside-{n}", playing(f"beside-{n}"), beside=True, own=True) for n in range(3)]
    cases += [case(f"alone-{n}", playing(f"alone-{n}")) for n in range(3)]
    report = await run(tmp_path, cases)
    assert most["alone"] == 1
    assert most["beside"] > 1
    assert [outcome.case.id for outcome in report.outcomes] == [each.id for each in cases]


async def test_an_early_case_is_played_first_and_reported_in_its_place(tmp_path: Path) -> None:
    played: list[str] = []

    def playing(name: str) -> Any:
        async def play(_probe: Probe) -> int:
            played.append(name)
            return 1

        return play

    cases = [case("first", playing("first")), case("early", playing("early"), early=True)]
    report = await run(tmp_path, cases)
    assert played == ["early", "first"]
    assert [outcome.case.id for outcome in report.outcomes] == ["wire.first", "wire.early"]


async def test_a_server_that_was_started_too_often_is_not_blamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fresh(probe: Probe) -> int:
        async with probe.fresh():
            return 1

    monkeypatch.setattr("holdfast_attack.play.lane.RESTARTS", 2)
    report = await run(tmp_path, [case(name, fresh, own=True) for name in ("once", "twice")])
    assert [outcome.verdict for outcome in report.outcomes] == [Verdict.PASSED, Verdict.INCONCLUSIVE]
    assert "started 2 times already" in report.outcomes[1].why


async def test_an_era_that_the_server_does_not_speak_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="2025-11-25 alone"):
        await run(tmp_path, [case("echo", echo)], versions=("2026-07-28",))


async def test_the_run_is_watched(tmp_path: Path) -> None:
    seen: list[str] = []

    class Watcher:
        def began(self, total: int, limit: float) -> None:
            seen.append(f"began {total}")

        def playing(self, case: Case, lane: object) -> None:
            seen.append(f"playing {case.id}")

        def played(self, outcome: Outcome) -> None:
            seen.append(f"played {outcome.verdict}")

        def ended(self) -> None:
            seen.append("ended")

    await attack(Plan.of(command(tmp_path)), Watcher(), [case("echo", echo)])
    assert seen == ["began 1", "playing wire.echo", "played passed", "ended"]


async def test_a_run_that_is_cancelled_leaves_nothing(tmp_path: Path, temporary: Path) -> None:
    pids: list[int] = []
    playing = asyncio.Event()

    async def wait(probe: Probe) -> int:
        session = await probe.stdio()
        pids.append(session.pid)
        playing.set()
        await asyncio.Event().wait()
        return 1

    task = asyncio.create_task(run(tmp_path, [case("wait", wait, seconds=600.0)]))
    await playing.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)
    assert not list(temporary.glob("holdfast-attack-*/*"))


async def test_a_tool_that_changes_things_need_not_do_the_same_twice(tmp_path: Path) -> None:
    """What it made the first time is there the second time; a tool that says that it only reads must still work."""
    put = """
made = []
def call(said):
    made.append(1)
    return {"result": {"content": [], "isError": len(made) > 1}}
TOOLS[0]["annotations"] = %s
"""
    cases = [case("list", echo_or_not), aftermath(Kind.WIRE)]
    writes = (await run(tmp_path, cases, put % {}, allow_writes=True)).outcomes
    reads = (await run(tmp_path, cases, put % {"readOnlyHint": True})).outcomes
    assert [outcome.verdict for outcome in writes] == [Verdict.PASSED, Verdict.PASSED]
    assert [outcome.verdict for outcome in reads] == [Verdict.PASSED, Verdict.FAILED]


async def echo_or_not(probe: Probe) -> int:
    await (await probe.session()).ask("tools/list")
    return 1


async def test_after_a_class_of_which_nothing_was_there_nothing_can_be_broken(tmp_path: Path) -> None:
    cases = [case("missing", await ends("missing")), aftermath(Kind.WIRE)]
    outcomes = (await run(tmp_path, cases)).outcomes
    assert [outcome.verdict for outcome in outcomes] == [Verdict.NOT_APPLICABLE, Verdict.NOT_APPLICABLE]
