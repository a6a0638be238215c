"""Runs one mutant: a forked process in which one module is the broken one, and the tests that run its line."""

from __future__ import annotations

import ast
import importlib.machinery
import importlib.util
import os
import resource
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

KILLED, SURVIVED, SLOW = "killed", "survived", "timeout"
MEMORY = 4 << 30
"""Bytes of data a mutant may use: one that no longer bounds its input must not take the machine with it."""


class _Loader(importlib.machinery.SourceFileLoader):
    def __init__(self, name: str, path: str, tree: ast.Module) -> None:
        super().__init__(name, path)
        self._tree = tree

    def get_code(self, fullname: str) -> Any:
        return compile(self._tree, self.path, "exec", dont_inherit=True)


class _Finder:
    """Gives the broken module under its own name; everything else is found as always."""

    def __init__(self, name: str, path: str, tree: ast.Module) -> None:
        self._name, self._path, self._tree = name, path, tree

    def find_spec(self, name: str, path: object = None, target: object = None) -> Any:
        if name != self._name:
            return None
        return importlib.util.spec_from_file_location(name, loader=_Loader(name, self._path, self._tree))


class _Only:
    """Keeps the chosen tests, the quickest first."""

    def __init__(self, chosen: Sequence[str]) -> None:
        self._rank = {test: rank for rank, test in enumerate(chosen)}

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = sorted((i for i in items if i.nodeid in self._rank), key=lambda i: self._rank[i.nodeid])


class Trial:
    """One mutant being tried: a forked child, which must end before ``seconds`` are over."""

    def __init__(self, name: str, path: Path, tree: ast.Module, tests: Sequence[str], seconds: float) -> None:
        self._ends = time.monotonic() + seconds
        self._pid = os.fork()
        if self._pid == 0:
            _child(name, path, tree, tests)

    def verdict(self) -> str | None:
        """``killed``, ``survived``, or ``timeout`` (some test would wait for ever); ``None`` while it runs."""
        ended, status = os.waitpid(self._pid, os.WNOHANG)
        if ended:
            return SURVIVED if os.waitstatus_to_exitcode(status) == 0 else KILLED
        if time.monotonic() < self._ends:
            return None
        os.killpg(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        return SLOW


def _child(name: str, path: Path, tree: ast.Module, tests: Sequence[str]) -> None:
    status = 70
    try:
        os.setsid()
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
        quiet = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(quiet, number)
        sys.meta_path.insert(0, _Finder(name, str(path), tree))  # type: ignore[arg-type]  # only find_spec is asked
        files = sorted({test.partition("::")[0] for test in tests})
        arguments = [
            *files,
            "-x",
            "-q",
            "-o",
            "cache_dir=.cache/mutants/pytest",
            "--no-header",
            "-W",
            "ignore::pytest.PytestWarning",
        ]
        status = int(pytest.main(arguments, plugins=[_Only(tests)]))
    finally:
        os._exit(status)
