"""``holdfast run --reload``: notices that a file has changed, and has the server started again or loaded anew."""

from __future__ import annotations

import os
import signal
import subprocess  # the server is started again as a process of its own
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from holdfast.cli.discovery import Sources, Target

POLL = 0.25
"""Seconds between looks at the files: an edit is noticed before the eyes are back at the browser."""
GRACE = 3.0
"""Seconds that the old server gets to end before it is killed; a developer waits for the new one."""
MAX_FILES = 5_000
"""Files that are watched at most, so that a look stays cheap (about 2 us a file)."""
_SKIPPED = frozenset({"__pycache__", "node_modules", "site-packages", "venv"})

Look = dict[str, tuple[int, int]]


def words(target: Target, sources: Sources, options: Mapping[str, Any]) -> list[str]:
    """The argv of the child: the same command without ``--reload``."""
    named = f"{target.file}:{target.name}" if target.name else str(target.file)
    argv = [sys.executable, "-P", "-m", "holdfast.cli", "run", named, "--http"]
    for name, value in {"--config": sources.config, "--env-file": sources.env_file, **options}.items():
        if value is True:
            argv.append(name)
        elif value is not None and value is not False:
            argv += [name, str(value)]
    return argv


def supervise(argv: Sequence[str], folder: Path, others: Iterable[Path | None]) -> int:
    """Run ``argv`` until somebody stops this process; start it again when a ``*.py`` or ``holdfast.toml`` beneath
    ``folder``, or one of ``others``, changes. Returns the exit status of a child that ended well by itself."""
    extra = [file for file in others if file is not None]
    before = signal.signal(signal.SIGTERM, _stop)
    try:
        while True:
            look = look_at(folder, extra)
            status = _run_until_change(argv, look, folder, extra)
            if status == 0:
                return 0
            if status is not None:
                _say(f"the server ended with status {status}; waiting for a change")
                _wait_for_change(look, folder, extra)
            _say("a file changed; starting again")
    finally:
        signal.signal(signal.SIGTERM, before)


class Watching:
    """In a supervised worker: has its supervisor load everything anew (SIGHUP) when a file has changed since this was
    made. ``begin`` once it serves; a spare must not do it as well."""

    def __init__(self, folder: Path, others: Iterable[Path | None]) -> None:
        self._folder = folder
        self._extra = [file for file in others if file is not None]
        self._look = look_at(folder, self._extra)
        self._parent = os.getppid()

    def begin(self, _event: object = None) -> None:
        """Look every ``POLL`` seconds from now on, on a thread that ends with the process."""
        threading.Thread(target=self._watch, name="holdfast-reload", daemon=True).start()

    def _watch(self) -> None:
        never = threading.Event()
        while os.getppid() == self._parent:  # else there is nobody to tell, and that number is somebody else's
            look = look_at(self._folder, self._extra)
            if look != self._look:
                self._look = look
                os.kill(self._parent, signal.SIGHUP)
            never.wait(POLL)


def _stop(number: int, frame: FrameType | None) -> None:
    raise SystemExit(0)


def _run_until_change(argv: Sequence[str], look: Look, folder: Path, extra: list[Path]) -> int | None:
    """The child's exit status, or ``None`` when it was ended because of a change."""
    child = subprocess.Popen(argv)  # noqa: S603  # nosec B603  # this very command, in words and without a shell
    try:
        while look_at(folder, extra) == look:
            try:
                return child.wait(POLL)
            except subprocess.TimeoutExpired:
                continue
        return None
    finally:
        _end(child)


def _end(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is not None:
        return
    child.terminate()
    try:
        child.wait(GRACE)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _wait_for_change(look: Look, folder: Path, extra: list[Path]) -> None:
    never = threading.Event()
    while look_at(folder, extra) == look:
        never.wait(POLL)


def look_at(folder: Path, extra: Iterable[Path]) -> Look:
    """Name -> modification time and size of every file that matters; a file that is gone is left out."""
    found: Look = {}
    for name in (*_sources(folder), *map(str, extra)):
        try:
            facts = os.stat(name)
        except OSError:
            continue
        found[name] = (facts.st_mtime_ns, facts.st_size)
    return found


def _sources(folder: Path) -> Iterator[str]:
    left = MAX_FILES
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".") and name not in _SKIPPED]
        for name in files:
            if name.endswith(".py") or name == "holdfast.toml":
                yield os.path.join(place, name)
                left -= 1
        if left <= 0:
            return


def _say(message: str) -> None:
    print(f"holdfast: {message}", file=sys.stderr, flush=True)
