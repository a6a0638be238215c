"""What a lost worker has left behind is found with and without the kernel's list, and ended but for who is spared."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

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
print(sweep({spared.pid}))
gone = {}
while len(gone) < 2:
    gone |= dict(reap())
    time.sleep(0.01)
print(sorted(gone.values()), swept.pid in gone, children() == [spared.pid])
print(sweep({spared.pid}), sweep(()), reap() or spared.wait())
print(children(), reap())
"""


def test_every_child_but_who_is_spared_is_ended_with_those_whose_parent_is_gone() -> None:
    ran = subprocess.run([sys.executable, "-c", SWEPT], capture_output=True, text=True, timeout=60, check=False)
    killed = -signal.SIGKILL
    assert (ran.stdout.splitlines(), ran.stderr) == (
        ["2", f"[{killed}, {killed}] True True", f"0 1 {killed}", "[] []"],
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
