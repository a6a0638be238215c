"""What a lost worker has left behind is found with and without the kernel's list, and ended but for who is spared."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.supervised import state_of, supervised, until

from holdfast.supervisor import sweeping

SWEPT = """
import subprocess, sys, time
from holdfast.supervisor.sweeping import children, reap, sweep
from holdfast.supervisor.worker import adopt_orphans

adopt_orphans()
alone = [sys.executable, "-c", "import time; time.sleep(600)"]
parent = [sys.executable, "-c", f"import subprocess, time; subprocess.Popen({alone!r}, start_new_session=True)"]
spared, swept = subprocess.Popen(alone), subprocess.Popen(alone)
subprocess.run(parent, check=True)  # its child is ours now
assert len(children()) == 3
print(len(sweep({spared.pid})))
gone = {}
while len(gone) < 2:
    gone |= dict(reap())
    time.sleep(0.01)
print(sorted(gone.values()), swept.pid in gone, children() == [spared.pid])
print(len(sweep({spared.pid})), len(sweep(())))
while not (last := reap()):
    time.sleep(0.01)
print(last == [(spared.pid, -9)], children(), reap())
"""


def test_every_child_but_who_is_spared_is_ended_with_those_whose_parent_is_gone() -> None:
    ran = subprocess.run([sys.executable, "-c", SWEPT], capture_output=True, text=True, timeout=60, check=False)
    killed = -signal.SIGKILL
    assert (ran.stdout.splitlines(), ran.stderr) == (
        ["2", f"[{killed}, {killed}] True True", "0 1", "True [] []"],
        "",
    )


def test_a_kernel_that_lists_no_children_is_asked_about_every_process(monkeypatch: pytest.MonkeyPatch) -> None:
    really = Path.read_text

    def read(path: Path, **more: str) -> str:
        if path.name == "children":
            raise FileNotFoundError
        return really(path, **more)  # type: ignore[arg-type]

    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        listed = sweeping.children()
        monkeypatch.setattr(sweeping.Path, "read_text", read)
        found = sweeping.children()
        assert child.pid in found
        assert set(found) & set(listed) >= {child.pid}
        child.communicate(b"\n")
    end = time.monotonic() + 10
    while child.pid in sweeping.children():
        assert time.monotonic() < end
    assert os.getpid() not in sweeping.children()


GENERATIONS = """
import asyncio, os, subprocess, sys
from pathlib import Path
from holdfast import Server

server = Server("generations")
SLEEPS = "import time; time.sleep(600)"
WAITS = f"import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', {SLEEPS!r}], start_new_session=True);"
WAITS += " print(p.pid, flush=True); p.wait()"


@server.tool(read_only=True)
async def nap(seconds: float) -> int:
    "Who serves."
    return os.getpid()


@server.tool()
async def breed(file: str) -> str:
    "A process, and its own, while the call lasts."
    child = subprocess.Popen([sys.executable, "-c", WAITS], stdout=subprocess.PIPE, start_new_session=True)
    Path(file).write_text(f"{child.pid} {int(child.stdout.readline())} ")
    await asyncio.sleep(600)
"""


def test_every_generation_of_what_a_lost_worker_had_started_ends(tmp_path: Path) -> None:
    file = tmp_path / "pids"
    with supervised(tmp_path, GENERATIONS) as kept:
        kept.spared()
        kept.begin("breed", file=str(file))
        until(lambda: file.exists() and file.read_text().endswith(" "))
        child, grandchild = map(int, file.read_text().split())
        assert state_of(child)
        assert state_of(grandchild)
        os.kill(kept.worker(), signal.SIGKILL)
        until(lambda: state_of(child) == state_of(grandchild) == "")
        kept.spared()  # who serves and who waits: nobody else is left
