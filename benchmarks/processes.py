"""Starts the servers that are measured, looks at their memory, and ends them."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Timer
from typing import BinaryIO, Self

import psutil
from answers import Failed
from subjects import Subject

PATIENCE = 60.0
"""Seconds after which a server that holds up the measurement is killed, which ends the wait for its answer."""
GOODBYE = 5.0
"""Seconds that a server gets to end by itself, and then after SIGTERM."""


class Started:
    """A server in a process of its own; its stderr goes to a file, so that no pipe fills up."""

    def __init__(self, subject: Subject, folder: Path, *words: str, stateless: bool = False) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._said = folder / "stderr"
        self._stderr: BinaryIO = self._said.open("ab")
        pipe = subprocess.PIPE if words[0] != "http" else None
        self.process = subprocess.Popen(
            subject.argv(*words),
            stdin=pipe or subprocess.DEVNULL,
            stdout=pipe or self._stderr,
            stderr=self._stderr,
            env=subject.environment(folder, stateless=stateless),
            bufsize=0,
        )

    def __enter__(self) -> Self:
        return self

    def leave(self) -> None:
        """Tell the server to end, without waiting for it. Idempotent."""
        if self.process.stdin is not None:
            self.process.stdin.close()
        else:
            self.process.terminate()

    def __exit__(self, *_error: object) -> None:
        self.leave()
        for end in (None, self.process.terminate, self.process.kill):
            if end is not None:
                end()
            try:
                self.process.wait(GOODBYE)
                break
            except subprocess.TimeoutExpired:
                continue
        if self.process.stdout is not None:
            self.process.stdout.close()
        self._stderr.close()

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Kill the server when what is done meanwhile takes longer than ``PATIENCE``."""
        timer = Timer(PATIENCE, self.process.kill)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    @property
    def resident(self) -> float:
        """MiB of memory it holds now."""
        held: int = psutil.Process(self.process.pid).memory_info().rss
        return held / 2**20

    @property
    def cpu(self) -> float:
        """Seconds of CPU it has used, all its threads together."""
        times = psutil.Process(self.process.pid).cpu_times()
        used: float = times.user + times.system
        return used

    def silent(self) -> Failed:
        """The error for a server that says nothing more."""
        tail = self._said.read_bytes()[-600:].decode("utf-8", "replace").strip()
        return Failed(f"the server went away or was too slow; its last words: {tail or '(none)'}")


def end_all() -> None:
    """End what this process has started and nobody holds: a signal may come between a start and its note."""
    left = psutil.Process().children(recursive=True)
    for process in left:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(left, timeout=GOODBYE)
