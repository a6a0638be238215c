"""Which tests run which line, seen once by running them all under coverage with a context for each test."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import coverage
import pytest

LONGEST = 20.0
"""Seconds of a test beyond which it is not used to find mutants."""


class _Contexts:
    """A plugin of pytest: tells coverage which test runs, and notes how long each took."""

    def __init__(self, measuring: coverage.Coverage) -> None:
        self._measuring = measuring
        self.seconds: dict[str, float] = {}

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Any:
        self._measuring.switch_context(item.nodeid)
        began = time.perf_counter()
        yield
        self.seconds[item.nodeid] = round(time.perf_counter() - began, 4)
        self._measuring.switch_context("")


def measure(roots: list[str], sources: list[str], out: Path) -> int:
    """Run the tests and write ``{"lines": {file: {line: [test]}}, "seconds": {test: s}}``; returns pytest's status."""
    out.parent.mkdir(parents=True, exist_ok=True)
    measuring = coverage.Coverage(
        data_file=str(out.with_suffix(".coverage")), include=[f"{source}/*" for source in sources], config_file=False
    )
    plugin = _Contexts(measuring)
    measuring.start()
    status = pytest.main([*roots, "-q", "-p", "no:cacheprovider", "--no-header"], plugins=[plugin])
    measuring.stop()
    measuring.save()
    data = measuring.get_data()
    lines: dict[str, dict[int, list[str]]] = {}
    for file in data.measured_files():
        found = data.contexts_by_lineno(file)
        lines[str(Path(file).resolve())] = {line: sorted(filter(None, tests)) for line, tests in found.items()}
    out.write_text(json.dumps({"lines": lines, "seconds": plugin.seconds}))
    return int(status)
