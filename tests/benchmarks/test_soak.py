"""The command that tries everything for as long as it takes: what it runs exists, and what fails makes it fail."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
from soak import CHECKS, TOP, Check, Outcome, chosen, main, report, run

PASSES = "import os, json\ndef test_it():\n    assert os.environ['SOAK'] == '1'\n"
NOTES = PASSES + "    open(os.environ['SOAK_FIGURES'], 'a').write(json.dumps({'worst_ms': 1200}) + '\\n')\n"


@pytest.fixture
def sigterm() -> object:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def check(folder: Path, source: str) -> Check:
    file = folder / "test_tiny.py"
    file.write_text(source)
    return Check("tiny", "it holds", (str(file), "-p", "no:cacheprovider", "--rootdir", str(folder)), 0.1)


@pytest.mark.parametrize("each", CHECKS, ids=lambda each: each.name)
def test_what_a_check_runs_exists_and_has_a_long_form(each: Check) -> None:
    files = [TOP / word for word in each.words if word.startswith(("tests/", "benchmarks/"))]
    assert files
    assert all(file.is_file() for file in files)
    if each.words[0].startswith("tests/") and each.name != "asleep":  # that one is whole in the suite
        assert any("SOAK" in file.read_text() or "LONG" in file.read_text() for file in files)


def test_the_names_are_different_and_can_be_chosen() -> None:
    names = [each.name for each in CHECKS]
    assert len(set(names)) == len(names)
    assert [each.name for each in chosen(["leak", "kills"])] == ["kills", "leak"]
    assert chosen([]) == list(CHECKS)
    with pytest.raises(SystemExit, match="no such check: nonsense"):
        chosen(["nonsense", "leak"])


def test_a_test_that_passes_holds_and_its_figures_are_shown(tmp_path: Path) -> None:
    outcome = run(check(tmp_path, NOTES), tmp_path)
    assert outcome.ok, outcome.last
    assert outcome.figures == {"worst_ms": 1200}
    lines = report(outcome)
    assert "tiny         ok" in lines
    assert "worst ms 1,200; load" in lines


@pytest.mark.parametrize(
    "source", ["def test_it():\n    assert False\n", "", "import pytest\ndef test_it():\n    pytest.skip('no')\n"]
)
def test_what_fails_or_is_not_run_at_all_does_not_hold(source: str, tmp_path: Path) -> None:
    assert not run(check(tmp_path, source), tmp_path).ok


def test_what_does_not_end_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("soak.PATIENCE", -9.9)
    outcome = run(check(tmp_path, "import time\ndef test_it():\n    time.sleep(60)\n"), tmp_path)
    assert not outcome.ok
    assert outcome.last == "no end within its time"


def test_the_command_says_what_held_and_fails_when_one_did_not(
    sigterm: object, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = {"kills": True, "leak": True}
    monkeypatch.setattr("soak.run", lambda each: Outcome(each, found[each.name], 2.0, "1 passed in 2.00s"))
    assert main(["kills", "leak"]) == 0
    assert capsys.readouterr().out.endswith("2 of 2 held, in 4 s\n")
    found["leak"] = False
    assert main(["kills", "leak"]) == 1
    assert capsys.readouterr().out.endswith("1 of 2 held, in 4 s; FAILED: leak\n")


def test_the_list_tells_of_each(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(CHECKS)


def test_figures_within_figures_are_shown(tmp_path: Path) -> None:
    figures = json.loads('{"median_ms": {"spin": 302, "leave": 1043}, "before": [5, 8]}')
    lines = report(Outcome(CHECKS[0], True, 1.0, "1 passed", figures))
    assert "median ms spin 302, leave 1,043; before [5, 8]" in lines
