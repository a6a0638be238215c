"""The page on the comparison says what the reports say, names every server, and is plain where another does better."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import comparing
import pytest
from compare_page import page
from compare_reports import Judged, Unreadable, told
from compare_start import as_plain, starts
from compare_subjects import HTTP, OURS, STDIO, TOP, Compared, compared

from holdfast_attack.model import Case, Finding, Lane, Outcome, Profile, Report, Severity, Subject, Transport, Verdict
from holdfast_attack.model.case import measured
from holdfast_attack.report.asjson import as_json

LOCKS = TOP / ".ci" / "peers"
THEIRS = "sdk_workspace"
NAMED = {each.name: each for each in compared()}
SERVERS = [NAMED[OURS], NAMED[THEIRS]]
SLOW, FAST = {"seconds": 2.0, "memory": 90.0}, {"seconds": 0.5, "memory": 60.0}


async def nothing(_probe: object) -> int:
    return 1


def case(name: str, severity: Severity = Severity.HIGH) -> Case:
    words = {"sends": "s", "sound": "s", "remedy": "r", "reference": measured("m")}
    return Case(id=name, title=f"title of {name}", severity=severity, play=nothing, **words)


def outcome(name: str, verdict: Verdict, what: str = "", transport: Transport = Transport.STDIO) -> Outcome:
    findings = (Finding(what, "read_file"),) if verdict is Verdict.FAILED else ()
    return Outcome(case(name), Lane(transport, "2025-11-25"), verdict, what, findings=findings)


def judged(name: str, *outcomes: Outcome, transport: str = STDIO) -> Judged:
    report = Report(
        subject=Subject(name, name=name, versions=("2025-11-25",), tools=7), profile=Profile.QUICK, seed=1,
        began="2026-11-21T00:00:00+00:00", seconds=12.3, limit=300.0, outcomes=outcomes,
    )  # fmt: skip
    return Judged(name, transport, json.loads(as_json(report)))


def about(ours: dict[str, float] = FAST, theirs: dict[str, float] = SLOW) -> dict[str, Any]:
    return {
        "date": "2026-11-21", "seed": 1, "profile": "quick", "cases": [], "machine": "Linux, 2 cores",
        "versions": {OURS: "0.1.0", THEIRS: "2.3.0"}, "starts": {OURS: ours, THEIRS: theirs},
    }  # fmt: skip


def better(*reports: Judged, **figures: dict[str, float]) -> list[str]:
    whole = page(SERVERS, reports, about(**figures))
    section = whole.partition("## Where another does better than ours\n\n")[2].partition("\n\n##")[0]
    return section.strip().splitlines()


def tables(text: str) -> list[list[list[str]]]:
    """Every table as rows of cells; a bar that is escaped belongs to its cell."""
    found: list[list[list[str]]] = []
    for block in re.findall(r"(?:^\|.*\|$\n?)+", text, re.MULTILINE):
        rows = [re.split(r"(?<!\\)\|", line.strip())[1:-1] for line in block.splitlines()]
        found.append([[cell.strip() for cell in row] for row in rows])
    return found


def assert_sound(made: list[list[list[str]]]) -> None:
    for rows in made:
        assert set(rows[1]) == {"---"}
        assert {len(row) for row in rows} == {len(rows[0])}
        assert all(cell for row in rows for cell in row)


def test_the_page_has_a_score_for_each_class_and_server() -> None:
    whole = page(
        SERVERS,
        [
            judged(OURS, outcome("paths.parent", Verdict.PASSED), outcome("sql.write", Verdict.PASSED)),
            judged(
                THEIRS, outcome("paths.parent", Verdict.FAILED, "left"), outcome("sql.write", Verdict.NOT_APPLICABLE)
            ),
        ],
        about(),
    )
    assert_sound(tables(whole))
    (scores,) = [rows for rows in tables(whole) if rows[0] == ["class", "holdfast", "SDK"]]
    assert scores[2:] == [
        ["paths", "100 % (1/0)", "0 % (0/1)"],
        ["sql", "100 % (1/0)", "-"],
        ["**all**", "100 % (2/0)", "0 % (0/1)"],
    ]
    assert "| high | `paths.parent` | title of paths.parent | read\\_file: left | 2025-11-25 |" in whole


def test_each_transport_has_a_table_of_its_own() -> None:
    over_http = outcome("http.batch", Verdict.PASSED, transport=Transport.HTTP)
    reports = [judged(OURS, outcome("wire.batch", Verdict.PASSED)), judged(OURS, over_http, transport=HTTP)]
    whole = page(SERVERS[:1], reports, about() | {"starts": {OURS: FAST}})
    assert whole.index("## Scores over stdio") < whole.index("## Scores over HTTP")
    assert "`python examples/workspace.py http {port}`" in whole


def test_a_case_that_ours_fails_and_another_passes_is_told() -> None:
    told_of = better(
        judged(OURS, outcome("wire.batch", Verdict.FAILED, "x"), outcome("wire.deep", Verdict.INCONCLUSIVE)),
        judged(THEIRS, outcome("wire.batch", Verdict.PASSED), outcome("wire.deep", Verdict.PASSED)),
    )
    assert told_of == [
        "- `wire.batch` (stdio, 2025-11-25): ours failed, passed by SDK.",
        "- `wire.deep` (stdio, 2025-11-25): ours inconclusive, passed by SDK.",
        "- The class wire over stdio: SDK has 100 %, ours 0 %.",
    ]


def test_a_faster_start_and_less_memory_are_told() -> None:
    passed = outcome("wire.batch", Verdict.PASSED)
    assert better(judged(OURS, passed), judged(THEIRS, passed), ours=SLOW, theirs=FAST) == [
        "- Starts faster than ours (2.00 s): SDK (0.50 s).",
        "- Needs less memory than ours (90 MiB): SDK (60 MiB).",
    ]


def test_it_says_so_when_nobody_does_better() -> None:
    passed, failed = outcome("wire.batch", Verdict.PASSED), outcome("wire.batch", Verdict.FAILED, "x")
    nothing_better = ["- In no case, no class, and neither in start nor memory."]
    assert better(judged(OURS, passed), judged(THEIRS, failed)) == nothing_better


def test_what_could_not_be_judged_is_shown_with_the_reason() -> None:
    undecided = outcome("time.cancelled", Verdict.INCONCLUSIVE, "a limit is spent")
    whole = page(SERVERS[:1], [judged(OURS, undecided)], about() | {"starts": {OURS: FAST}})
    assert "Could not be judged:\n\n| case | why |\n| --- | --- |\n| `time.cancelled` | a limit is spent |\n" in whole


def test_the_words_of_a_server_break_no_table_and_name_no_folder_of_the_run() -> None:
    words = "a | b\n# c `d` <script> *e* at /tmp/holdfast-attack-0/run-12/stdio/x.txt"
    assert told(words) == "a \\| b \\# c \\`d\\` \\<script\\> \\*e\\* at (a path)"
    report = judged(OURS, outcome("wire.batch", Verdict.FAILED, words))
    assert_sound(tables(page(SERVERS[:1], [report], about() | {"starts": {OURS: FAST}})))
    assert len(told("x" * 1_000)) == 200


def test_the_same_reports_give_the_same_page() -> None:
    reports = [judged(OURS, outcome("wire.batch", Verdict.FAILED, "x"))]
    made = {page(SERVERS[:1], reports, about() | {"starts": {OURS: FAST}}) for _ in range(3)}
    assert len(made) == 1


def test_a_file_that_is_no_report_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_text('{"schema": "something/2"}')
    with pytest.raises(Unreadable, match="no report of the schema"):
        Judged.read(OURS, STDIO, other)
    with pytest.raises(Unreadable, match="cannot be read"):
        Judged.read(OURS, STDIO, tmp_path / "absent.json")


def test_the_page_alone_is_made_of_the_reports_that_are_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reports, written = tmp_path / "reports", tmp_path / "page.md"
    words = ["--page", "--only", "time", "--reports", str(reports), "--page-file", str(written)]
    assert comparing.main(words) == 1
    assert capsys.readouterr().err == "error: there are no reports yet: run without --page\n"
    reports.mkdir()
    (reports / "run.json").write_text(json.dumps(about() | {"starts": {OURS: FAST, "time": SLOW}, "versions": {}}))
    for name, transport in ((OURS, STDIO), (OURS, HTTP), ("time", STDIO)):
        said = judged(name, outcome("wire.batch", Verdict.PASSED), transport=transport).said
        (reports / f"{name}-{transport}.json").write_text(json.dumps(said))
    assert comparing.main(words) == 0
    assert "## server-time" in written.read_text()


def test_a_server_that_there_is_not_is_refused_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert comparing.main(["--only", "nobody"]) == 1
    assert capsys.readouterr().err.startswith("error: there is no server nobody; there are ours, sdk_workspace, ")


def test_the_attack_is_told_the_server_as_a_user_would(tmp_path: Path) -> None:
    options = comparing._options(["--case", "wire", "--seed", "5"])
    report = tmp_path / "report.json"
    words = comparing.words(NAMED[THEIRS], HTTP, report, options)
    head = [sys.executable, "-m", "holdfast.cli", "attack", "--json", str(report), "--seed", "5", "--allow-writes"]
    assert words[: len(head)] == head
    assert words[words.index("--case") + 1] == "wire"
    assert words[words.index("--url") + 1] == "http://127.0.0.1:{port}/mcp"
    assert words[words.index("--") + 1 :] == [*NAMED[THEIRS].words, "http", "{port}"]


def test_a_start_is_measured_up_to_the_list_of_tools() -> None:
    found = as_plain(starts([NAMED[OURS]], rounds=1))[OURS]
    assert 0 < found["seconds"] < 60
    assert found["memory"] > 1


def test_a_server_that_does_not_list_its_tools_is_not_measured() -> None:
    mute = Compared("mute", "mute", (sys.executable, "-c", "pass"), "mute", "nobody's")
    with pytest.raises((RuntimeError, BrokenPipeError)):
        starts([mute], rounds=1)


def test_the_page_of_the_repository_names_every_server_and_its_tables_are_whole() -> None:
    text = (TOP / "docs" / "comparison.md").read_text(encoding="utf-8")
    made = tables(text)
    assert_sound(made)
    (run,) = [rows for rows in made if rows[0][:3] == ["server", "version", "started as"]]
    judged = {row[0] for row in run[2:]}
    assert {server.label for server in compared() if server.usual} <= judged
    assert [line[3:] for line in text.splitlines() if line.startswith("## ")].count(
        "Where another does better than ours"
    ) == 1
    for label in judged:
        assert f"\n## {label}\n" in text


def test_the_page_tells_of_the_versions_that_are_locked() -> None:
    text = (TOP / "docs" / "comparison.md").read_text(encoding="utf-8")
    pinned = re.findall(r"^(mcp-server-\w+)==(\S+) ", (LOCKS / "pypi.lock").read_text(), re.MULTILINE)
    assert len(pinned) == 3
    (filesystem,) = json.loads((LOCKS / "npm" / "package.json").read_text())["dependencies"].items()
    for name, version in (*pinned, (f"\\{filesystem[0]}", filesystem[1])):
        assert f"{name} {version}" in text, f"{name} was renewed: run make compare"


def test_the_reference_servers_are_locked_with_hashes_and_without_addresses() -> None:
    lock = (LOCKS / "pypi.lock").read_text(encoding="utf-8")
    assert "://" not in lock
    assert "file:" not in lock
    assert "--index" not in lock
    for entry in re.split(r"\n(?=[A-Za-z0-9])", re.sub(r"(?m)^\s*#.*\n", "", lock).strip()):
        assert "--hash=sha256:" in entry, entry[:60]
    packages = (LOCKS / "npm" / "package-lock.json").read_text(encoding="utf-8")
    assert '"resolved"' not in packages
    assert '"integrity"' in packages
