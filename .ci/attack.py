"""Attack our own servers: examples/workspace.py and a project of `holdfast new`, over stdio and HTTP, in both eras."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TOP = Path(__file__).resolve().parents[1]
OUT = TOP / ".cache" / "attack"
HOLDFAST = (sys.executable, "-m", "holdfast.cli")
PROJECT = "attacked"
LEAST = {"workspace stdio": 60, "workspace http": 60, "project stdio": 40, "project http": 40}
"""Cases that must have passed in each run: one that hardly tried anything must not look like one that found nothing."""
SIDE_BY_SIDE = 2
LIMITS = {"quick": 170, "full": 800}
"""Seconds that one run may take."""


@dataclass(frozen=True)
class Attack:
    """One run: what it is called, and what follows the options."""

    name: str
    words: tuple[str, ...]
    env: dict[str, str]

    def play(self, profile: str) -> list[str]:
        """Run it; what is wrong, nothing when no case failed."""
        base = OUT / self.name.replace(" ", "-")
        report = base.with_suffix(".json")
        report.unlink(missing_ok=True)
        argv = [*HOLDFAST, "attack", "--quiet", "--allow-writes", "--time-limit", str(LIMITS[profile])]
        argv += [
            "--json",
            str(report),
            "--html",
            str(base.with_suffix(".html")),
            *(["--full"] if profile == "full" else []),
        ]
        begun = time.monotonic()
        with base.with_suffix(".txt").open("wb") as log:
            ran = subprocess.run(
                [*argv, *self.words],
                env=os.environ | self.env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                timeout=LIMITS[profile] + 120,
                check=False,
            )
        wrong = self._wrong(ran.returncode, report)
        told = "no failed case" if not wrong else "; ".join(wrong)
        print(f"{self.name:16} {time.monotonic() - begun:6.1f} s  {_counts(report)}  {told}", flush=True)
        if wrong:
            print(base.with_suffix(".txt").read_text("utf-8", "replace"), flush=True)
        return [f"{self.name}: {problem}" for problem in wrong]

    def _wrong(self, status: int, report: Path) -> list[str]:
        if not report.is_file():
            return [f"status {status} and no report"]
        verdicts = _verdicts(report)
        wrong = [] if status == 0 else [f"status {status}"]
        if verdicts.count("passed") < LEAST[self.name]:
            wrong.append(f"only {verdicts.count('passed')} cases passed, of {LEAST[self.name]} that must be tried")
        return wrong


def _verdicts(report: Path) -> list[str]:
    loaded: dict[str, Any] = json.loads(report.read_text("utf-8"))
    return [outcome["verdict"] for outcome in loaded["outcomes"]]


def _counts(report: Path) -> str:
    if not report.is_file():
        return "no report"
    verdicts = _verdicts(report)
    kinds = ("passed", "failed", "advice", "inconclusive", "not applicable")
    return ", ".join(f"{verdicts.count(kind)} {kind}" for kind in kinds)


def attacks(folder: Path) -> list[Attack]:
    """All four."""
    workspace = [sys.executable, str(TOP / "examples" / "workspace.py")]
    subprocess.run([*HOLDFAST, "new", PROJECT], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    source = folder / PROJECT / "src"
    env = {"PYTHONPATH": str(source)}
    project = [sys.executable, "-m", f"{PROJECT}.server"]
    url = ("--url", "http://127.0.0.1:{port}/mcp")
    return [
        Attack("workspace stdio", ("--", *workspace), {}),
        Attack("workspace http", (*url, "--", *workspace, "http", "{port}"), {}),
        Attack("project stdio", ("--", *project), env),
        Attack("project http", (*url, "--", *project, "http", "{port}"), env),
    ]


def main() -> None:
    """Exits with 1 when a case failed anywhere."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("profile", choices=("quick", "full"))
    profile = parser.parse_args().profile
    OUT.mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        wrong = [problem for each in pool.map(lambda one: one.play(profile), attacks(Path(folder))) for problem in each]
    print(f"{profile} profile: {time.monotonic() - begun:.0f} s; pages in .cache/attack")
    if wrong:
        sys.exit("; ".join(wrong))
    print("no case failed")


if __name__ == "__main__":
    main()
