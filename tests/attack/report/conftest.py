"""Reports to be told: an ordinary one, an empty one, and one in which every text was chosen by an enemy."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from holdfast_attack.model.case import (
    Case,
    Profile,
    Severity,
    Transport,
    advisory,
    measured,
    spec,
    taste,
)
from holdfast_attack.model.outcome import Finding, Lane, Outcome, Report, Subject, Verdict

STDIO_OLD = Lane(Transport.STDIO, "2025-11-25")
STDIO_NEW = Lane(Transport.STDIO, "2026-07-28")
HTTP_NEW = Lane(Transport.HTTP, "2026-07-28")
HOSTILE = (
    "\x1b]0;owned\x07\x1b[31mred\x9b2J\u202egnp.exe\u2066\U000e0041\u3164\u200b"
    "</script><script>alert(1)</script><img src=x onerror=alert(2)>]]><!--\"'`&\x00\x08\x7f\ufffe\ud800|\udcff"
    "\r\n## not a heading [link](javascript:alert(3)) {0} %s \\ $(id)"
)
"""What a server may choose for any text of its own."""
HOSTILE_BYTES = HOSTILE.encode("utf-8", "surrogatepass") + b"\xff\xfe\x80\n"


async def _play(_probe: Any) -> int:
    return 1


def make_case(case_id: str = "paths.parent", severity: Severity = Severity.CRITICAL, **more: Any) -> Case:
    backing = taste("experience") if severity is Severity.ADVICE else advisory("CVE-2025-53110")
    given: dict[str, Any] = {
        "title": f"The title of {case_id}",
        "sends": "a path that climbs out of the root: ../../outside/secret.txt",
        "sound": "refuses the path, and says nothing about what stands there",
        "reference": backing,
        "remedy": "hold the root as a descriptor and open beneath it; compare whole components, not prefixes",
        "play": _play,
    }
    return Case(id=case_id, severity=severity, **(given | more))


def make_outcome(case: Case, lane: Lane = STDIO_OLD, verdict: Verdict = Verdict.PASSED, **more: Any) -> Outcome:
    findings = more.get("findings", ())
    given: dict[str, Any] = {"why": findings[0].what if findings else "", "seconds": 0.25, "attempts": 3}
    return Outcome(case, lane, verdict, **(given | more))


def make_report(*outcomes: Outcome, **more: Any) -> Report:
    given: dict[str, Any] = {
        "subject": Subject(
            label="python examples/workspace.py",
            command=("python", "examples/workspace.py"),
            name="workspace",
            version="1.2.0",
            versions=("2026-07-28", "2025-11-25"),
            tools=12,
        ),
        "profile": Profile.QUICK,
        "seed": 7,
        "began": "2026-11-21T18:30:00+00:00",
        "seconds": 23.4,
        "limit": 300.0,
        "tool_version": "0.1.0",
        "environment": {"python": "3.11.9", "platform": "Linux"},
        "reproduce": "holdfast attack --seed 7 -- python examples/workspace.py",
    }
    return Report(outcomes=outcomes, **(given | more))


def ordinary() -> Report:
    """Something of everything, on three lanes."""
    request = (
        b'{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"read_file",'
        b'"arguments":{"path":"../outside/secret.txt"}}}\n'
    )
    answer = b'{"jsonrpc":"2.0","id":7,"result":{"content":[{"type":"text","text":"canary-4711"}],"isError":false}}\n'
    climbed = tuple(
        Finding("content from beyond the root came back", tool, request.replace(b"read_file", tool.encode()), answer)
        for tool in ("read_file", "search_files")
    )
    memory = Finding("memory grew by 212 MiB and stayed there", None, b"\x00\x01\xff\xfe" * 40, b"")
    hangs = Finding("no answer within 5 s", "slow_tool", b'{"half": "lin', b"")
    parent = make_case()
    flood = make_case("load.memory", Severity.HIGH, reference=measured("4 MiB of {}, became 101 MiB"))
    half = make_case("wire.half-line", Severity.MEDIUM, reference=spec("MCP 2025-11-25, transports, stdio"))
    text = make_case("text.ansi", Severity.LOW)
    named = make_case("hygiene.annotations", Severity.ADVICE, title="Tools say whether they only read")
    sql = make_case("sql.stacked", Severity.CRITICAL)
    crash = make_case("crash.pause", Severity.HIGH)
    kept = make_case("http.origin-foreign", Severity.HIGH)
    outcomes = [
        make_outcome(named, STDIO_OLD, Verdict.ADVICE, findings=(Finding("readOnlyHint is missing", "read_file"),)),
        make_outcome(make_case("hygiene.zombies", Severity.MEDIUM), STDIO_OLD),
        make_outcome(text, STDIO_OLD),
        make_outcome(text, STDIO_NEW, Verdict.FAILED, findings=(Finding("an escape sequence came back", "echo"),)),
        make_outcome(half, STDIO_OLD, Verdict.FAILED, findings=(hangs,)),
        make_outcome(flood, HTTP_NEW, Verdict.FAILED, findings=(memory,)),
        make_outcome(parent, STDIO_OLD, Verdict.FAILED, findings=climbed),
        make_outcome(parent, STDIO_NEW, Verdict.FAILED, findings=climbed[:1]),
        make_outcome(parent, HTTP_NEW),
        *(make_outcome(sql, lane, Verdict.NOT_APPLICABLE, why="no tool takes SQL") for lane in (STDIO_OLD, HTTP_NEW)),
        make_outcome(crash, HTTP_NEW, Verdict.INCONCLUSIVE, why="the server was only connected to"),
        make_outcome(kept, HTTP_NEW, Verdict.FAILED, findings=(Finding("a foreign origin was served"),), accepted=True),
        *(
            make_outcome(make_case(f"{kind}.case-{number}", Severity.MEDIUM), lane)
            for kind in ("paths", "schema", "wire", "time", "leaks", "commands", "urls")
            for number in range(3)
            for lane in (STDIO_OLD, STDIO_NEW, HTTP_NEW)
        ),
    ]
    return make_report(*outcomes, notes=("tools that are not marked read-only were sent no valid arguments",))


def hostile() -> Report:
    """Every text that a server can choose, and some that it cannot."""
    case = make_case("leaks.environment", Severity.HIGH, title=HOSTILE, sends=HOSTILE, sound=HOSTILE, remedy=HOSTILE)
    finding = Finding(HOSTILE, HOSTILE, HOSTILE_BYTES, HOSTILE_BYTES)
    lane = Lane(Transport.STDIO, HOSTILE)
    advice = make_case("text.description", Severity.ADVICE, title=HOSTILE)
    ends = (Verdict.FAILED, Verdict.NOT_APPLICABLE, Verdict.INCONCLUSIVE, Verdict.PASSED)
    outcomes = [
        make_outcome(case, replace(lane, version=f"{number}{HOSTILE}"), verdict, why=HOSTILE, findings=(finding,))
        for number, verdict in enumerate(ends)
    ]
    outcomes.append(make_outcome(advice, lane, Verdict.ADVICE, findings=(finding,)))
    outcomes.append(make_outcome(case, lane, Verdict.FAILED, findings=(finding,), accepted=True))
    outcomes.append(make_outcome(make_case("wire.deep"), lane, Verdict.FAILED, why="x" * 5000))
    return make_report(
        *outcomes,
        subject=Subject(HOSTILE, (HOSTILE, HOSTILE), HOSTILE, HOSTILE, HOSTILE, (HOSTILE,), 3),
        notes=(HOSTILE,),
        began=HOSTILE,
        tool_version=HOSTILE,
        environment={HOSTILE: HOSTILE},
        reproduce=HOSTILE,
    )


@pytest.fixture
def make() -> SimpleNamespace:
    """The makers of cases, outcomes and reports."""
    return SimpleNamespace(
        case=make_case,
        outcome=make_outcome,
        report=make_report,
        stdio_old=STDIO_OLD,
        stdio_new=STDIO_NEW,
        http_new=HTTP_NEW,
        hostile_text=HOSTILE,
        hostile_bytes=HOSTILE_BYTES,
    )


@pytest.fixture
def report() -> Report:
    """An ordinary run."""
    return ordinary()


@pytest.fixture
def hostile_report() -> Report:
    """A run against an enemy."""
    return hostile()


@pytest.fixture
def empty() -> Report:
    """A run in which nothing was played."""
    return make_report(reproduce="", environment={}, subject=Subject(""))
