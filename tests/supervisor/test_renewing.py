"""SIGHUP to a supervisor: a new version takes over, and one that cannot serve is refused while the old one goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.supervised import SERVER, Kept, supervised, until

MORE = '\n@server.tool(read_only=True)\ndef more() -> int:\n    """More."""\n    return 1\n'
CANNOT_START = SERVER.replace(
    'server = Server("kept")',
    """
from contextlib import asynccontextmanager

@asynccontextmanager
async def lifespan(server):
    raise RuntimeError("no database")
    yield

server = Server("kept", lifespan=lifespan)
""",
)


def hang_up(kept: Kept) -> None:
    kept.process.send_signal(signal.SIGHUP)


def test_a_new_version_that_loads_and_cannot_start_is_refused_and_the_client_notices_nothing(tmp_path: Path) -> None:
    with supervised(tmp_path) as kept:
        first = kept.worker()
        kept.spared()
        (tmp_path / "kept.py").write_text(CANNOT_START)
        hang_up(kept)
        naps = [kept.begin("nap", seconds=0.3) for _ in range(8)]
        until(lambda: kept.told("reload_refused"))
        assert all(isinstance(kept.value(number), int) for number in naps)
        assert kept.worker() != first, "the spare of the version before serves now"
        assert "before it was ready; the one before goes on" in kept.told("reload_refused")[0]["why"]
        assert kept.told("gave_up") == kept.told("worker_lost") == []
        until(lambda: len(kept.workers()) == 2)
        (tmp_path / "kept.py").write_text(SERVER + MORE)
        hang_up(kept)
        until(lambda: kept.told("reloaded"))
        assert kept.call("more") == 1
        until(lambda: any(news["method"] == "notifications/tools/list_changed" for news in kept.news))
        assert (kept.torn, kept.twice) == ([], [])


def test_a_setting_that_is_none_refuses_the_new_version_and_is_named(tmp_path: Path) -> None:
    with supervised(tmp_path) as kept:
        first, spare = kept.worker(), kept.spared()
        (tmp_path / "holdfast.toml").write_text("[limits]\ntime_out = 3\n")
        hang_up(kept)
        until(lambda: kept.told("reload_refused"))
        assert kept.told("reload_refused")[0]["why"] == "the new version cannot be loaded; the one before goes on"
        assert "limits.time_out" in kept.errors.read_text()
        assert kept.worker() == first
        os.kill(first, signal.SIGKILL)
        assert kept.worker() == spare, "it was kept, and is the spare again"


@pytest.mark.skipif(not os.environ.get("SOAK"), reason="waits for a version that is slow to load")
def test_a_worker_that_is_lost_while_a_new_version_loads_is_followed_at_once(tmp_path: Path) -> None:
    with supervised(tmp_path) as kept:
        first, spare = kept.worker(), kept.spared()
        (tmp_path / "kept.py").write_text(f"import time\ntime.sleep(1.5)\n{SERVER}{MORE}")
        hang_up(kept)
        until(lambda: len(kept.workers()) == 3)
        os.kill(first, signal.SIGKILL)
        assert kept.worker() == spare
        until(lambda: kept.told("handed_over"))
        assert kept.call("more") == 1, "the new version takes over when it has loaded"


@pytest.mark.skipif(not os.environ.get("SOAK"), reason="waits for six loads")
def test_many_hangups_at_once_end_with_the_newest_version_and_one_spare(tmp_path: Path) -> None:
    with supervised(tmp_path) as kept:
        kept.spared()
        for number in range(5):
            (tmp_path / "kept.py").write_text(SERVER + MORE.replace("return 1", f"return {number}"))
            hang_up(kept)
            assert kept.call("add", a=number, b=1) == number + 1
        until(lambda: kept.told("reloaded") and len(kept.workers()) == 2)
        assert kept.call("more") == 4


def test_an_edit_is_taken_over_by_itself_and_the_connection_stays(tmp_path: Path) -> None:
    with supervised(tmp_path, words=("--reload",)) as kept:
        nap = kept.begin("nap", seconds=0.2)
        (tmp_path / "beside.py").write_text("1 / 0\n")
        (tmp_path / "kept.py").write_text(f"import beside\n{SERVER}")
        until(lambda: kept.told("reload_refused"))
        assert isinstance(kept.value(nap), int)
        (tmp_path / "beside.py").write_text("value = 7\n")
        (tmp_path / "kept.py").write_text(f"import beside\n{SERVER}{MORE.replace('return 1', 'return beside.value')}")
        until(lambda: kept.told("reloaded"))
        assert kept.call("more") == 7
        assert kept.told("worker_lost") == []


def test_what_cannot_be_supervised_cannot_be_reloaded_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "kept.py").write_text(SERVER)
    words = [sys.executable, "-m", "holdfast.cli", "run", str(tmp_path / "kept.py"), "--reload"]
    environment = os.environ | {"HOLDFAST_SUPERVISE": "false", "HOLDFAST_STATE": str(tmp_path / "state")}
    ran = subprocess.run(words, input=b"", capture_output=True, timeout=30, check=False, env=environment)
    assert ran.returncode == 2
    assert b"--reload needs a supervisor" in ran.stderr
