"""The report as text reads in the order of what matters, and nothing of a server reaches the terminal as it came."""

from __future__ import annotations

import io
import os
import re
from typing import Any

import pytest

from holdfast_attack.model.outcome import Finding, Report, Verdict
from holdfast_attack.report import terminal
from holdfast_attack.report.colours import Paint
from holdfast_attack.report.harmless import plain
from holdfast_attack.report.terminal import Sheet, closing, finding_lines, lines, scorecard_lines, show

SGR = re.compile(r"\x1b\[[0-9;]+m")


class Terminal(io.StringIO):
    """A stream that somebody looks at."""

    def isatty(self) -> bool:
        return True


def test_the_scorecard_has_a_row_for_each_class_and_one_for_all(report: Report) -> None:
    head, *rows, last = scorecard_lines(report)
    assert head == "class     passed  failed  advice  not applicable  inconclusive  accepted  score"
    assert "paths         10       2       0               0             0         0   64 %" in rows
    assert [row.split()[0] for row in rows][:3] == ["hygiene", "schema", "paths"]
    assert last.split() == ["all", "66", "5", "1", "2", "1", "1", "87", "%"]
    assert len({len(row) for row in (head, *rows, last)}) == 1


def test_a_class_without_anything_scored_has_no_score(report: Report) -> None:
    assert next(row for row in scorecard_lines(report) if row.startswith("sql")).endswith(" -")


def test_a_finding_says_everything_that_is_needed_to_mend_it(report: Report) -> None:
    text = "\n".join(finding_lines(report))
    first = text.split("\n\n")[1]
    assert first.splitlines() == [
        "CRITICAL paths.parent (stdio/2025-11-25, stdio/2026-07-28)",
        "  The title of paths.parent",
        "  found      read_file: content from beyond the root came back",
        "  found      search_files: content from beyond the root came back (stdio/2025-11-25)",
        "  tried      a path that climbs out of the root: ../../outside/secret.txt",
        '  sent       {"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"read_file",'
        '"arguments":{"path":"../outside/secret.txt"}}}\\n',
        '  got        {"jsonrpc":"2.0","id":7,"result":{"content":[{"type":"text","text":"canary-4711"}],'
        '"isError":false}}\\n',
        "  sound      refuses the path, and says nothing about what stands there",
        "  reference  CVE-2025-53110 (advisory)",
        "  remedy     hold the root as a descriptor and open beneath it; compare whole components, not prefixes",
        "  reproduce  holdfast attack --seed 7 --case paths.parent -- python examples/workspace.py",
    ]


def test_the_order_is_scorecard_findings_advice_inconclusive_accepted_closing(report: Report) -> None:
    text = lines(report)
    wanted = [
        "holdfast attack 0.1.0",
        "Findings, worst first",
        "Advice (not scored)",
        "Inconclusive: kept from being tried or judged",
        "Accepted by the baseline",
    ]
    places = [text.index(title) for title in wanted]
    assert places == sorted(places)
    assert text[places[2] + 1] == "  hygiene.annotations (stdio/2025-11-25): read_file: readOnlyHint is missing"
    assert text[places[3] + 1] == "  crash.pause (http/2026-07-28): the server was only connected to"
    assert text[places[4] + 1] == "  http.origin-foreign (http/2026-07-28): a foreign origin was served"
    assert "note    tools that are not marked read-only were sent no valid arguments" in text


def test_the_last_line_has_totals_and_time(report: Report) -> None:
    assert lines(report)[-1] == closing(report)
    assert closing(report) == (
        "5 failed, 66 passed, 1 advice, 2 not applicable, 1 inconclusive, 1 accepted (30 cases on 3 lanes), "
        "score 87 %, 23.4 s of at most 300 s"
    )


def test_an_empty_run_is_told_too(empty: Report) -> None:
    text = lines(empty)
    assert "server  a server (no name given), 0 tools, protocol unknown" in text
    assert "Findings, worst first" not in text
    assert text[-1].endswith("(0 cases on 0 lanes), score -, 23.4 s of at most 300 s")


@pytest.mark.parametrize("width", [None, 60, 100])
def test_nothing_of_a_hostile_server_is_obeyed_or_hidden(hostile_report: Report, width: int | None) -> None:
    for line in lines(hostile_report, Sheet(Paint(False), width)):
        assert all(map(plain, line)), line


def test_the_only_sequences_are_our_colours(hostile_report: Report) -> None:
    text = lines(hostile_report, Sheet(Paint(True), 100))
    assert any(SGR.search(line) for line in text)
    assert all(map(plain, SGR.sub("", "".join(text))))


def test_in_a_terminal_no_line_is_wider_than_it(report: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal.shutil, "get_terminal_size", lambda _: os.terminal_size((100, 30)))
    stream = Terminal()
    show(report, stream, {})
    told = SGR.sub("", stream.getvalue()).splitlines()
    assert all(len(line) <= 100 for line in told[:-1])
    assert "  remedy     hold the root as a descriptor and open beneath it; compare whole components, not" in told
    assert "             prefixes" in told


def test_a_very_narrow_terminal_still_gets_text(report: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal.shutil, "get_terminal_size", lambda _: os.terminal_size((5, 5)))
    stream = Terminal()
    show(report, stream, {"NO_COLOR": "1"})
    assert "paths.parent" in stream.getvalue()
    assert "\x1b" not in stream.getvalue()


def test_a_pipe_gets_whole_lines_without_colours(report: Report) -> None:
    stream = io.StringIO()
    show(report, stream)
    assert stream.getvalue() == "\n".join(lines(report)) + "\n"


def test_an_encoding_that_cannot_hold_a_name_is_no_reason_to_fail(make: Any) -> None:
    case = make.case()
    finding = Finding("größer 🎉", "日本")
    raw = io.BytesIO()
    with io.TextIOWrapper(raw, encoding="ascii", write_through=True) as stream:
        show(make.report(make.outcome(case, verdict=Verdict.FAILED, findings=(finding,))), stream)
        assert b"\\u65e5\\u672c: gr\\xf6\\xdfer \\U0001f389" in raw.getvalue()


def test_a_thousand_findings_are_cut_with_their_number(make: Any) -> None:
    findings = tuple(Finding("bad", f"tool_{number}") for number in range(1000))
    report = make.report(make.outcome(make.case(), verdict=Verdict.FAILED, findings=findings))
    told = finding_lines(report)
    assert "             ... and 900 more" in told
    assert sum(line.startswith("  found ") for line in told) == 100


def test_an_advice_with_many_findings_or_none_is_one_line_each(make: Any) -> None:
    from holdfast_attack.model.case import Severity

    advice = make.case("hygiene.annotations", Severity.ADVICE)
    many = tuple(Finding("missing", f"tool_{number}") for number in range(150))
    told = lines(make.report(make.outcome(advice, verdict=Verdict.ADVICE, findings=many)))
    assert "  hygiene.annotations: ... and 50 more" in told
    told = lines(make.report(make.outcome(advice, verdict=Verdict.ADVICE, why="")))
    assert "  hygiene.annotations (stdio/2025-11-25): The title of hygiene.annotations" in told


def test_a_row_with_failures_is_red_and_a_good_one_green(report: Report) -> None:
    rows = {SGR.sub("", row).split()[0]: row for row in scorecard_lines(report, Sheet(Paint(True)))}
    assert rows["paths"].startswith("\x1b[31m")
    assert rows["schema"].startswith("\x1b[32m")
    assert rows["sql"].startswith("\x1b[2m")
