"""Every case is listed with what came of it, and every number of the scorecard is there to be read."""

from __future__ import annotations

import re
from typing import Any

from holdfast_attack.model.outcome import Report, Verdict
from holdfast_attack.report.tables import by_class, numbers


def test_the_numbers_are_those_of_the_scorecard(report: Report) -> None:
    rows = re.findall(r"<tr>(.*?)</tr>", numbers(report))
    cells = [re.sub(r"<[^>]+>", " ", row).split() for row in rows]
    assert cells[0] == ["Class", "Passed", "Failed", "Advice", "Not", "applicable", "Inconclusive", "Accepted", "Score"]
    assert ["paths", "10", "2", "0", "0", "0", "0", "64", "%"] in cells
    assert cells[-1] == ["all", "66", "5", "1", "2", "1", "1", "87", "%"]


def test_every_case_stands_in_the_box_of_its_class(report: Report) -> None:
    boxes = by_class(report)
    assert [re.search(r"<h3>(\w+)<", box)[1] for box in boxes][:3] == ["hygiene", "schema", "paths"]  # type: ignore[index]
    for outcome in report.outcomes:
        (box,) = (box for box in boxes if f"<h3>{outcome.case.kind}<" in box)
        assert f"<code>{outcome.case.id}</code>" in box


def test_lanes_with_one_verdict_are_counted_and_others_named(report: Report) -> None:
    paths = next(box for box in by_class(report) if "<h3>paths<" in box)
    assert '<span class="passed">passed</span> <small>3 lanes</small>' in paths
    assert '<span class="failed">failed</span> <small>stdio/2025-11-25, stdio/2026-07-28</small>' in paths
    assert '<span class="passed">passed</span> <small>http/2026-07-28</small>' in paths


def test_what_was_not_judged_says_why(report: Report) -> None:
    told = "".join(by_class(report))
    assert (
        '<span class="not-applicable">not applicable</span> <small>2 lanes: <bdi>no tool takes SQL</bdi></small>'
        in told
    )
    assert '<span class="inconclusive">inconclusive</span> <small>http/2026-07-28: <bdi>the server was only' in told


def test_an_accepted_failure_is_called_so(make: Any) -> None:
    (box,) = by_class(make.report(make.outcome(make.case(), verdict=Verdict.FAILED, accepted=True)))
    assert '<span class="accepted">accepted</span>' in box


def test_nothing_played_is_nothing_listed(empty: Report) -> None:
    assert by_class(empty) == []
