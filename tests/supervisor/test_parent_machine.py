"""The real supervisor, its real processes, and whatever may befall them in any order: somebody always serves."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from support import tiny
from support.soaking import LONG
from support.supervised import GUARDIAN, name_of, state_of

PATIENCE = 20.0
PROGRAM = Path(tiny.__file__)
LOST = {
    signal.SIGKILL: (False, "from outside"),
    signal.SIGTERM: (True, "status 0"),
    signal.SIGSEGV: (True, "SIGSEGV"),
    tiny.LEAVE: (True, "status 3"),
    tiny.STAND: (True, "its loop stood still"),
}
"""What is sent to a worker, and what the next one is told of its end."""
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="there is no supervisor elsewhere")


class ParentMachine(RuleBasedStateMachine):
    """Workers and spares are killed, crash, leave, stand still and ask to be replaced, at any moment."""

    def __init__(self) -> None:
        super().__init__()
        self.process: subprocess.Popen[bytes] | None = None
        self.number = -1
        self.worker = 0
        self.everybody: set[int] = set()
        self.held = b""

    # -- what it says --------------------------------------------------------------------------------------------------

    def hear(self) -> list[Any]:
        """The next line: who serves now."""
        assert self.process is not None
        assert self.process.stdout is not None
        ends = time.monotonic() + PATIENCE
        while b"\n" not in self.held:
            left = ends - time.monotonic()
            assert left > 0, "nobody serves"
            if select.select([self.process.stdout], [], [], left)[0]:
                piece = os.read(self.process.stdout.fileno(), 4_096)
                assert piece, "it has ended"
                self.held += piece
        line, _, self.held = self.held.partition(b"\n")
        found: list[Any] = json.loads(line)
        return found

    def succeeded(self, blamed: bool, why: str) -> None:
        """Another worker serves, knows how the one before ended, and that one is gone."""
        before = self.worker
        self.worker, number, was_blamed, said = self.hear()
        assert number == self.number + 1
        assert was_blamed == blamed, said
        assert why in said
        assert state_of(before) == "", "two at once"
        self.number = number
        self.everybody.add(self.worker)

    def children(self) -> list[int]:
        assert self.process is not None
        with suppress(OSError):
            listed = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
            return [int(pid) for pid in listed if name_of(int(pid)) != GUARDIAN]
        return []

    # -- what happens --------------------------------------------------------------------------------------------------

    @initialize()
    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(PROGRAM), "0"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        )  # fmt: skip
        self.succeeded(False, "")

    @rule(number=st.sampled_from(sorted(LOST)), spared=st.booleans())
    def lose(self, number: int, spared: bool) -> None:
        """The worker ends in some way, once there is a spare or without waiting for one."""
        if spared:
            self.wait_for_spare()
        os.kill(self.worker, number)
        self.succeeded(*LOST[number])

    @rule(number=st.sampled_from([signal.SIGKILL, signal.SIGSEGV]))
    def lose_both(self, number: int) -> None:
        self.wait_for_spare()
        for pid in self.children():
            with suppress(ProcessLookupError):
                os.kill(pid, number if pid == self.worker else signal.SIGKILL)
        self.succeeded(*LOST[number])

    @rule()
    def lose_spare(self) -> None:
        for pid in self.children():
            if pid != self.worker:
                with suppress(ProcessLookupError):  # it may be ending by itself, as one that is not needed does
                    os.kill(pid, signal.SIGKILL)

    @rule(spared=st.booleans(), twice=st.booleans())
    def retire(self, spared: bool, twice: bool) -> None:
        if spared:
            self.wait_for_spare()
        os.kill(self.worker, tiny.RETIRE)
        if twice:
            with suppress(ProcessLookupError):
                os.kill(self.worker, tiny.RETIRE)
        self.succeeded(False, "")

    @rule(spared=st.booleans())
    def reload(self, spared: bool) -> None:
        if spared:
            self.wait_for_spare()
        assert self.process is not None
        self.process.send_signal(signal.SIGHUP)
        self.succeeded(False, "")

    @precondition(lambda self: self.process is not None)
    @rule()
    def lose_while_it_retires(self) -> None:
        self.wait_for_spare()
        os.kill(self.worker, tiny.RETIRE)
        with suppress(ProcessLookupError):
            os.kill(self.worker, signal.SIGKILL)
        before = self.worker
        self.worker, number, _, _ = self.hear()
        assert number == self.number + 1
        assert state_of(before) == ""
        self.number = number

    def wait_for_spare(self) -> None:
        ends = time.monotonic() + PATIENCE
        while len(self.children()) < 2:
            assert time.monotonic() < ends, "no spare"
            time.sleep(0.002)
        self.everybody.update(self.children())

    # -- what must hold ------------------------------------------------------------------------------------------------

    @invariant()
    def it_lives_and_has_a_worker_and_a_spare_at_most(self) -> None:
        if self.process is not None:
            assert self.process.poll() is None
            assert len(self.children()) <= 2
            self.everybody.update(self.children())

    def teardown(self) -> None:
        if self.process is None:
            return
        self.everybody.update(self.children())
        number = signal.SIGKILL if self.number % 2 else signal.SIGTERM
        try:
            self.process.send_signal(number)
            status = self.process.wait(PATIENCE)
            assert status == (0 if number == signal.SIGTERM else -number)
            ends = time.monotonic() + PATIENCE
            while any(state_of(pid) not in ("", "Z") for pid in self.everybody):
                assert time.monotonic() < ends, "somebody is left"
                time.sleep(0.002)
        finally:
            self.process.kill()
            self.process.wait()
            assert self.process.stdout is not None
            self.process.stdout.close()


TestParentMachine = ParentMachine.TestCase
TestParentMachine.settings = settings(
    deadline=None, max_examples=150 if LONG else 3, stateful_step_count=20 if LONG else 6,
    suppress_health_check=[HealthCheck.too_slow],
)  # fmt: skip


def test_a_first_worker_that_is_never_ready_makes_it_give_up_at_once() -> None:
    ended = subprocess.run(
        [sys.executable, str(PROGRAM), "1"], stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}, check=False,
    )  # fmt: skip
    assert (ended.returncode, ended.stdout) == (4, b"")
