"""Which tests run which line, seen once by running them all under coverage with a context for each test.

python covering.py OUT SOURCE ... -- TEST ...
"""

from __future__ import annotations

import json
import sys
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
        self.failed: set[str] = set()

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Any:
        self._measuring.switch_context(item.nodeid)
        began = time.perf_counter()
        yield
        self.seconds[item.nodeid] = round(time.perf_counter() - began, 4)
        self._measuring.switch_context("")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed.add(report.nodeid)


MANY = 5
"""Failed tests beyond which nothing is to be learned; a few may be too slow while they are traced, and are left out."""


def measure(roots: list[str], sources: list[str], out: Path) -> int:
    """Run the tests and write ``{"lines": {file: {line: [test]}}, "seconds": {test: s}}``; returns pytest's status."""
    out.parent.mkdir(parents=True, exist_ok=True)
    measuring = coverage.Coverage(
        data_file=str(out.with_suffix(".coverage")), include=[f"{source}/*" for source in sources], config_file=False
    )
    plugin = _Contexts(measuring)
    measuring.start()
    status = pytest.main([*roots, "-q", "-o", "cache_dir=.cache/mutants/pytest", "--no-header"], plugins=[plugin])
    measuring.stop()
    measuring.save()
    for test in plugin.failed:
        plugin.seconds.pop(test, None)
        sys.stderr.write(f"left out, as it fails by itself: {test}\n")
    if len(plugin.failed) > MANY or not plugin.seconds:
        return int(status) or 1
    data = measuring.get_data()
    lines: dict[str, dict[int, list[str]]] = {}
    for file in data.measured_files():
        found = data.contexts_by_lineno(file)
        lines[str(Path(file).resolve())] = {line: sorted(filter(None, tests)) for line, tests in found.items()}
    out.write_text(json.dumps({"lines": lines, "seconds": plugin.seconds}))
    return 0


if __name__ == "__main__":
    wanted, _, chosen = " ".join(sys.argv[2:]).partition(" -- ")
    raise SystemExit(measure(chosen.split(), [str(Path(room).resolve()) for room in wanted.split()], Path(sys.argv[1])))
