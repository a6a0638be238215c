"""``holdfast attack`` as a user sees it: exit statuses, files, clear lines, and nothing left whatever ends it."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from xml.etree import ElementTree

import psutil
import pytest
from attack.play.servers import command

from holdfast_attack.cases import all_cases
from holdfast_attack.target.premises import MARK

HOLDFAST = (sys.executable, "-m", "holdfast.cli")
ONE = ("--case", "hygiene.input-schema")
"""A case that a small server passes."""
OTHER = ("--case", "wire.garbage")
"""One that it fails: its reader ends with the first line that is no JSON."""


def environment(folder: Path) -> dict[str, str]:
    (folder / "temporary").mkdir(exist_ok=True)
    plain = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    return plain | {"TMPDIR": str(folder / "temporary"), "NO_COLOR": "1"}


def attack(
    folder: Path, words: Sequence[str], *, server: Sequence[str] | None = None
) -> subprocess.CompletedProcess[str]:
    tail = ["--", *(command(folder) if server is None else server)]
    return subprocess.run(
        [*HOLDFAST, "attack", *words, *(tail if tail != ["--"] else [])],
        env=environment(folder),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def left(folder: Path) -> list[str]:
    """What lies in the temporary folder: nothing but the empty one of all runs."""
    return [str(path) for path in (folder / "temporary").glob("*/*")]


def test_nothing_found_is_0_and_something_is_1(tmp_path: Path) -> None:
    fine = attack(tmp_path, ONE)
    assert fine.returncode == 0, fine.stdout + fine.stderr
    assert "hygiene" in fine.stdout
    found = attack(tmp_path, OTHER)
    assert found.returncode == 1
    assert "wire.garbage" in found.stdout
    assert "--case wire.garbage" in found.stdout
    assert left(tmp_path) == []


def test_what_is_less_than_asked_for_does_not_fail(tmp_path: Path) -> None:
    assert attack(tmp_path, [*OTHER, "--fail-on", "critical"]).returncode == 0


@pytest.mark.parametrize(
    "words, server, status, said",
    [
        (("--case", "wire.garbag"), ["x"], 2, "did you mean wire.garbage?"),
        ((), ["no-such-program"], 3, "there is no such program"),
        ((), [sys.executable, "-c", "raise SystemExit('no workspace')"], 3, "no workspace"),
        (("--url", "http://198.51.100.7/mcp"), [], 2, "on this machine"),
        (("--url", "http://127.0.0.1:9/mcp"), [], 3, "nothing listens at http://127.0.0.1:9/mcp"),
        ((), [], 2, "name a server"),
        (("--compare", "x"), [], 2, "NAME=COMMAND"),
        (("--compare", "a=b", "--html", "x.html"), [], 2, "--compare there is --json"),
        (("--env", "=x"), ["x"], 2, "--env takes NAME=VALUE"),
        (("--env", "NO_SUCH_VARIABLE_HERE"), ["x"], 2, "no such variable"),
        (("--json", "no/such/folder/x.json"), ["x"], 2, "x.json"),
        (("--baseline", "no-such.toml"), ["x"], 2, "no-such.toml"),
        (("--explain", "nothing.there"), [], 2, "no case"),
    ],
)
def test_bad_input_is_told_in_one_line(
    words: Sequence[str], server: Sequence[str], status: int, said: str, tmp_path: Path
) -> None:
    ran = attack(tmp_path, ["--start-timeout", "5", *words], server=server)
    assert ran.returncode == status, ran.stdout + ran.stderr
    lines = ran.stderr.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("holdfast: ")
    assert said in lines[0]


def test_a_url_that_is_no_mcp_server_is_said(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "http.server", "0", "--bind", "127.0.0.1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
        text=True,
        cwd=tmp_path,
    ) as web:
        assert web.stdout is not None
        port = web.stdout.readline().split("port ")[1].split()[0]
        ran = attack(tmp_path, ["--url", f"http://127.0.0.1:{port}/mcp"], server=[])
        web.terminate()
    assert ran.returncode == 3
    assert "no MCP server answers" in ran.stderr


def test_every_report_is_written_and_says_the_same(tmp_path: Path) -> None:
    files = {kind: tmp_path / f"report.{kind}" for kind in ("json", "junit", "sarif", "html")}
    words = [word for kind, file in files.items() for word in (f"--{kind}", str(file))]
    attack(tmp_path, [*OTHER, *words])
    loaded = json.loads(files["json"].read_text())
    assert [outcome["verdict"] for outcome in loaded["outcomes"]] == ["failed"]
    assert json.loads(files["sarif"].read_text())["runs"][0]["results"][0]["ruleId"] == "wire.garbage"
    assert ElementTree.fromstring(files["junit"].read_text()).iter("failure")  # noqa: S314 - our own file
    assert "wire.garbage" in files["html"].read_text()


def test_what_is_accepted_fails_no_more_and_is_said(tmp_path: Path) -> None:
    baseline = tmp_path / "known.toml"
    assert attack(tmp_path, [*OTHER, "--write-baseline", str(baseline)]).returncode == 1
    assert "wire.garbage" in str(tomllib.loads(baseline.read_text()))
    ran = attack(tmp_path, [*OTHER, "--baseline", str(baseline)])
    assert ran.returncode == 0
    assert "accepted" in ran.stdout


def test_the_catalogue_is_listed_and_explained(tmp_path: Path) -> None:
    listed = attack(tmp_path, ["--list"], server=[])
    assert listed.returncode == 0
    assert all(case.id in listed.stdout for case in all_cases())
    explained = attack(tmp_path, ["--explain", "wire.garbage"], server=[]).stdout
    assert all(word in explained for word in ("severity", "sends", "sound", "reference", "remedy"))


def test_several_servers_stand_side_by_side(tmp_path: Path) -> None:
    words = " ".join(command(tmp_path))
    compared = ["--compare", f"one={words}", "--compare", f"two={words}", *ONE, "--json", str(tmp_path / "all.json")]
    ran = attack(tmp_path, compared, server=[])
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines()[0].split() == ["class", "one", "two"]
    assert len(json.loads((tmp_path / "all.json").read_text())["reports"]) == 2


def begun(folder: Path, put: str, *ignored: signal.Signals) -> tuple[subprocess.Popen[str], list[psutil.Process]]:
    """An attack in its middle: what it has started is there."""
    process = subprocess.Popen(
        [*HOLDFAST, "attack", "--", *command(folder, put)],
        env=environment(folder),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: ignore(*ignored),
    )
    root = psutil.Process(process.pid)
    end = time.monotonic() + 60
    while time.monotonic() < end:
        with suppress(psutil.NoSuchProcess):  # the servers of the first meeting come and go
            started = root.children(recursive=True)
            if any(each.name() == "sleep" for each in started):
                return process, started
        time.sleep(0.02)
    raise AssertionError("the server was not started")


def ended(process: subprocess.Popen[str]) -> str:
    """What it said when it was ended."""
    try:
        return process.communicate(timeout=60)[1]
    finally:
        process.kill()


def ignore(*numbers: signal.Signals) -> None:
    for number in numbers:
        signal.signal(number, signal.SIG_IGN)


SLEEPS = "import subprocess; subprocess.Popen(['sleep', '600'], start_new_session=True)"


def alive(processes: Sequence[psutil.Process]) -> list[psutil.Process]:
    def is_alive(one: psutil.Process) -> bool:
        with suppress(psutil.NoSuchProcess):
            return one.is_running() and one.status() != psutil.STATUS_ZOMBIE
        return False

    return [each for each in processes if is_alive(each)]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1])
def test_ended_by_a_signal_it_leaves_nothing(number: signal.Signals, tmp_path: Path) -> None:
    process, started = begun(tmp_path, SLEEPS)
    process.send_signal(number)
    said = ended(process)
    assert process.returncode == 128 + number
    assert number.name in said
    assert alive(started) == []
    assert left(tmp_path) == []


def test_a_signal_that_is_ignored_from_the_start_ends_nothing_as_with_nohup(tmp_path: Path) -> None:
    process, started = begun(tmp_path, SLEEPS, signal.SIGHUP, signal.SIGINT)
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)
    ended(process)
    assert process.returncode == 128 + signal.SIGTERM
    assert alive(started) == []
    assert left(tmp_path) == []


def test_in_the_background_of_a_script_its_servers_still_end_at_an_interrupt(tmp_path: Path) -> None:
    words = shlex.join([*HOLDFAST, "attack", "--case", "hygiene.exit-on-sigint", "--", *command(tmp_path)])
    shell = ["sh", "-c", f"{words} & wait $!"]  # what a shell without job control starts so ignores SIGINT
    ran = subprocess.run(shell, env=environment(tmp_path), capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert " 1 passed" in ran.stdout


def test_after_sigkill_the_next_run_sweeps(tmp_path: Path) -> None:
    process, started = begun(tmp_path, SLEEPS)
    process.kill()
    ended(process)
    assert left(tmp_path) != []
    attack(tmp_path, ONE)
    _, still = psutil.wait_procs(started, timeout=20)
    assert alive(still) == []
    assert left(tmp_path) == []


def test_the_mark_is_not_one_of_holdfasts_settings() -> None:
    """A server of ours refuses to start with a setting that it does not know."""
    assert not MARK.startswith("HOLDFAST_")
