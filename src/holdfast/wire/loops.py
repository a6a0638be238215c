"""The event loop that serves: uvloop's where it is installed, made to start processes in the way that is watched."""

from __future__ import annotations

import asyncio
import importlib
from typing import Any


def new_loop() -> asyncio.AbstractEventLoop:
    """A new event loop: uvloop's, which cannot be installed on Windows, or asyncio's own."""
    try:
        uvloop = importlib.import_module("uvloop")
    except ImportError:
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = _watched(uvloop.Loop)()
    return loop


def _watched(base: Any) -> Any:
    """uvloop forks by itself, unheard by the audit hook that ties a process to its call (``resources.tracking``): such
    a process would outlive the call. asyncio's own way goes through ``subprocess.Popen``, so it takes its place."""
    unix: Any = asyncio.SelectorEventLoop

    class Loop(base):  # type: ignore[misc]
        _debug = False
        subprocess_exec = asyncio.BaseEventLoop.subprocess_exec
        subprocess_shell = asyncio.BaseEventLoop.subprocess_shell
        _make_subprocess_transport = unix._make_subprocess_transport
        _child_watcher_callback = getattr(unix, "_child_watcher_callback", None)

        def _add_reader(self, fd: int, callback: Any, *arguments: Any) -> None:
            self.add_reader(fd, callback, *arguments)  # what asyncio's watcher over a pidfd calls (Python 3.12)

        def _remove_reader(self, fd: int) -> None:
            self.remove_reader(fd)

    return Loop
