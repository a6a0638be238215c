"""Break each check of the guards, one at a time, and see that some test notices; list what nobody noticed.

    python security/mutants/run.py [FILE ...] [--kinds checks|all] [--workers N] [--refresh]

Prints one line for each survivor that ``survivors.toml`` does not explain, and exits with 1 if there is one. Results
are kept in ``.cache/mutants`` by the hash of the file and of the tests that were chosen, so a second run is short.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import time
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
TOP = HERE.parent.parent
sys.path[:0] = [str(HERE), str(TOP / "src"), str(TOP / "tests")]
os.environ["CI"] = "true"  # the same examples in each run: a survivor is a survivor tomorrow

from covering import LONGEST  # noqa: E402 - beside this file
from judging import KILLED, SLOW, SURVIVED, Trial  # noqa: E402
from operators import Mutant, broken, mutants  # noqa: E402

ROOMS = ("src/holdfast/safe", "src/holdfast/access", "src/holdfast/guards")
TESTS = ("tests/safe", "tests/access", "tests/guards", "tests/attacks", "tests/core", "tests/test_live.py")
CACHE = TOP / ".cache" / "mutants"
MOST = 80
"""Tests tried on one mutant, the quickest first, its own file's before others."""
PATIENCE = 30.0
"""Seconds on top of what the chosen tests took when nothing was broken, times four."""


def main() -> int:
    """Judge every mutant of the files asked for."""
    options = _options()
    os.chdir(TOP)
    _preload()
    seen = _covering(options.refresh)
    files = [Path(f).resolve() for f in options.files] or [p for r in ROOMS for p in sorted((TOP / r).glob("*.py"))]
    work = [(file, mutant) for file in files for mutant in mutants(file.read_text()) if _wanted(mutant, options.kinds)]
    explained = tomllib.loads((HERE / "survivors.toml").read_text())
    outcome = _all(work, seen, options.workers)
    return _report(outcome, explained)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("files", nargs="*", help="modules to break (default: all of safe, access and guards)")
    parser.add_argument("--kinds", choices=("checks", "all"), default="all", help="checks: leave boundaries out")
    parser.add_argument("--workers", type=int, default=2, help="mutants judged at once")
    parser.add_argument("--refresh", action="store_true", help="look anew at which tests run which line")
    return parser.parse_args()


def _preload() -> None:
    """Import what tests import, but nothing of holdfast: each mutant imports that afresh."""
    import anyio  # noqa: F401
    import hypothesis.strategies  # noqa: F401
    import jsonschema_rs  # noqa: F401
    import mcp.types  # noqa: F401
    import pydantic  # noqa: F401
    import re2  # noqa: F401
    import sqlglot  # noqa: F401


def _wanted(mutant: Mutant, kinds: str) -> bool:
    return kinds == "all" or not mutant.kind.startswith("boundary")


def _covering(refresh: bool) -> dict[str, Any]:
    """Which tests run which line: measured in a process of its own, as it imports holdfast whole."""
    out = CACHE / "covering.json"
    if refresh or not out.exists():
        say("looking at which tests run which line ...")
        tests = [test for test in TESTS if Path(test).exists()]
        command = [sys.executable, str(HERE / "covering.py"), str(out), *ROOMS, "--", *tests]
        if subprocess.run(command, check=False, stdout=subprocess.DEVNULL).returncode:  # noqa: S603 # nosec B603
            raise SystemExit("the tests fail before anything is broken")
    found: dict[str, Any] = json.loads(out.read_text())
    return found


def _chosen(file: Path, line: int, seen: dict[str, Any]) -> list[str]:
    lines = seen["lines"].get(str(file), {})
    seconds = seen["seconds"]
    own = f"tests/{file.parent.name}/test_{file.stem}.py"
    tests = lines.get(str(line)) or sorted({test for tests in lines.values() for test in tests})
    quick = [test for test in tests if seconds.get(test, LONGEST) < LONGEST]  # one without a time failed by itself
    return sorted(quick, key=lambda test: (not test.startswith(own), seconds[test]))[:MOST]


def _all(work: list[tuple[Path, Mutant]], seen: dict[str, Any], workers: int) -> list[tuple[Path, Mutant, str]]:
    """Try them, a few at once. Only this thread forks, so that no child begins with a lock held."""
    kept, began = _Kept(CACHE / "outcomes.json"), time.monotonic()
    outcome: list[tuple[Path, Mutant, str]] = []
    running: list[tuple[Path, Mutant, str, Trial]] = []
    waiting = iter(work)
    while len(outcome) < len(work):
        while len(running) < workers and (item := next(waiting, None)) is not None:
            tests = _chosen(item[0], item[1].line, seen)
            digest = _digest(*item, tests)
            known = kept.outcomes.get(digest) or (None if tests else SURVIVED)
            if known is None:
                running.append((*item, digest, _trial(*item, tests, seen)))
            else:
                outcome.append((*item, known))
        for trial in list(running):
            verdict = trial[3].verdict()
            if verdict is not None:
                running.remove(trial)
                kept.outcomes[trial[2]] = verdict
                outcome.append((*trial[:2], verdict))
                if len(outcome) % 50 == 0:
                    kept.save()
                    say(f"{len(outcome)} of {len(work)} after {time.monotonic() - began:.0f} s")
        time.sleep(0.01)
    kept.save()
    return outcome


def _trial(file: Path, mutant: Mutant, tests: list[str], seen: dict[str, Any]) -> Trial:
    name = ".".join(file.relative_to(TOP / "src").with_suffix("").parts).removesuffix(".__init__")
    patience = PATIENCE + 4 * sum(seen["seconds"][test] for test in tests)
    return Trial(name, file, broken(file.read_text(), mutant.number), tests, patience)


def _digest(file: Path, mutant: Mutant, tests: list[str]) -> str:
    """What the outcome depends on: the module, the change, and the tests as they are written."""
    written = [Path(name).read_text() for name in sorted({test.partition("::")[0] for test in tests})]
    return hashlib.sha256(json.dumps([file.read_text(), mutant.number, tests, written]).encode()).hexdigest()


def say(line: str) -> None:
    """One line of the report, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


class _Kept:
    """What was found before, in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.outcomes: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}

    def save(self) -> None:
        self._path.write_text(json.dumps(dict(self.outcomes)))


def _report(outcome: list[tuple[Path, Mutant, str]], explained: dict[str, dict[str, str]]) -> int:
    counts = Counter(verdict for _, _, verdict in outcome)
    survivors = list(_survivors(outcome, explained))
    for file, mutant, reason in survivors:
        if reason is None:
            say(f"{file}:{mutant.line}: {mutant.key}")
    unexplained = sum(reason is None for *_, reason in survivors)
    say(
        f"{len(outcome)} mutants: {counts[KILLED]} killed, {counts[SLOW]} ran out of time, "
        f"{counts[SURVIVED]} survived, of which {unexplained} without a reason in survivors.toml"
    )
    return 1 if unexplained else 0


def _survivors(
    outcome: list[tuple[Path, Mutant, str]], explained: dict[str, dict[str, str]]
) -> Iterator[tuple[str, Mutant, str | None]]:
    for path, mutant, verdict in outcome:
        if verdict == SURVIVED:
            file = str(path.relative_to(TOP))
            yield file, mutant, explained.get(file, {}).get(mutant.key)


if __name__ == "__main__":
    raise SystemExit(main())
