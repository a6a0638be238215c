"""Break each check of the guards, one at a time, and see that some test notices; list what nobody noticed.

    python security/mutants/run.py [FILE ...] [--kinds checks|all] [--workers N] [--refresh]

Prints one line for each survivor that ``survivors/ROOM/MODULE.toml`` does not explain, and exits with 1 if there is
one. Results are kept in ``.cache/mutants`` by the hash of the file and of the tests that were chosen, so a second run
is short.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent
TOP = HERE.parent.parent
sys.path[:0] = [str(HERE), str(TOP / "src"), str(TOP / "tests")]
os.environ["CI"] = "true"  # the same examples in each run: a survivor is a survivor tomorrow

from covering import LONGEST  # noqa: E402 - beside this file
from judging import KILLED, SLOW, SURVIVED, UNTRIED, Attempt, Trial, functions  # noqa: E402
from operators import Mutant, broken, mutants  # noqa: E402

ROOMS = ("src/holdfast/safe", "src/holdfast/access", "src/holdfast/guards")
TESTS = ("tests/safe", "tests/access", "tests/guards", "tests/attacks", "tests/core", "tests/test_live.py")
CACHE = TOP / ".cache" / "mutants"
MOST = 60
"""Tests of other files that are tried on one mutant, the quickest first, after all of its own file's."""
WHOLE = 6.0
"""Seconds that these take together when nothing is broken; one is always tried."""
OWN = 24.0
"""The same for the tests of the mutant's own file: they are what it should be seen by, and a busy machine is slow."""
PATIENCE = 8.0
"""Seconds on top of what the chosen tests took when nothing was broken, times three."""


def main() -> int:
    """Judge every mutant of the files asked for, in a process that has collected the tests."""
    options = _options()
    os.chdir(TOP)
    _alone()
    seen = _covering(options.refresh)
    files = [Path(f).resolve() for f in options.files] or [p for r in ROOMS for p in sorted((TOP / r).glob("*.py"))]
    work = [(file, mutant) for file in files for mutant in mutants(file.read_text()) if _wanted(mutant, options.kinds)]
    reasons = {} if options.explained else {file: explained(file) for file in files}
    known = {(file, mutant) for file, mutant in work if mutant.key in reasons.get(file, ())}
    work = [item for item in work if item not in known]
    judge = _Judge(work, seen, options.workers)
    collected = pytest.main([*_tests(), "-q", "-o", "cache_dir=.cache/mutants/pytest", "--no-header"], plugins=[judge])
    if collected != 0:
        raise SystemExit("the tests cannot be collected")
    return _report(judge.outcome, len(known))


def _alone() -> None:
    """Go on where no process of anybody else is seen: what ends processes, once broken, ends whatever it can reach.

    Seen: with one check of ``safe/descendants.py`` left out, the sweep ended the shell that had started the run.
    """
    if os.getpid() == 1 or "--alone" in sys.argv:
        return
    apart = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
    if os.geteuid() != 0:
        apart[1:1] = ["--user", "--map-root-user"]
    unshare = shutil.which(apart[0])
    if unshare is None or subprocess.run([unshare, *apart[1:], "true"], check=False).returncode:  # noqa: S603
        raise SystemExit("mutants need a PID namespace of their own (unshare, util-linux), and there is none to be had")
    os.execv(unshare, [*apart, sys.executable, *sys.argv, "--alone"])  # noqa: S606 # nosec B606


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("files", nargs="*", help="modules to break (default: all of safe, access and guards)")
    parser.add_argument("--kinds", choices=("checks", "all"), default="all", help="checks: leave boundaries out")
    parser.add_argument("--workers", type=int, default=2, help="mutants judged at once")
    parser.add_argument("--explained", action="store_true", help="try those again whose survival has a reason")
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--refresh", action="store_true", help="look anew at which tests run which line")
    return parser.parse_args()


def _wanted(mutant: Mutant, kinds: str) -> bool:
    return kinds == "all" or not mutant.kind.startswith("boundary")


def _covering(refresh: bool) -> dict[str, Any]:
    """Which tests run which line: measured in a process of its own, as it imports holdfast whole."""
    out = CACHE / "covering.json"
    if refresh or not out.exists():
        say("looking at which tests run which line ...")
        command = [sys.executable, str(HERE / "covering.py"), str(out), *ROOMS, "--", *_tests()]
        if subprocess.run(command, check=False, stdout=subprocess.DEVNULL).returncode:  # noqa: S603 # nosec B603
            raise SystemExit("the tests fail before anything is broken")
    found: dict[str, Any] = json.loads(out.read_text())
    return found


def _tests() -> list[str]:
    return [test for test in TESTS if Path(test).exists()]


def _chosen(file: Path, line: int, seen: dict[str, Any]) -> list[str]:
    lines = seen["lines"].get(str(file), {})
    seconds = seen["seconds"]
    own = f"tests/{file.parent.name}/test_{file.stem}.py"
    tests = lines.get(str(line)) or sorted({test for tests in lines.values() for test in tests})
    quick = [test for test in tests if seconds.get(test, LONGEST) < LONGEST]  # one without a time failed by itself
    ours, others = ([test for test in quick if test.startswith(own) is mine] for mine in (True, False))
    kept: list[str] = []
    for tests, most in ((_varied(ours, seconds), OWN), (_varied(others, seconds)[:MOST], WHOLE)):
        spent = 0.0
        for test in tests:
            if not kept or spent + seconds[test] <= most:
                kept.append(test)
                spent += seconds[test]
    return kept


def _varied(tests: list[str], seconds: dict[str, float]) -> list[str]:
    """The quickest case of each test first, so that one with many cases does not crowd the others out."""
    seen: Counter[str] = Counter()
    ranked = []
    for test in sorted(tests, key=lambda test: seconds[test]):
        name = test.partition("[")[0]
        ranked.append((seen[name], test))
        seen[name] += 1
    return [test for _, test in sorted(ranked, key=lambda item: item[0])]


class _Judge:
    """A plugin of pytest that breaks things in place of running the tests."""

    def __init__(self, work: list[tuple[Path, Mutant]], seen: dict[str, Any], workers: int) -> None:
        self.outcome: list[tuple[Path, Mutant, str]] = []
        self._work, self._seen, self._workers = work, seen, workers
        self._kept = _Kept(CACHE / "outcomes.json")

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Try them, a few at once. Only this thread forks, so that no child begins with a lock held."""
        session.config._tmp_path_factory.getbasetemp()  # type: ignore[attr-defined]  # one for all children
        items, known = {item.nodeid: item for item in session.items}, functions()
        gc.freeze()  # what was collected is never looked at again, so that forks share it
        running: list[tuple[Path, Mutant, str, Trial]] = []
        waiting, began = iter(self._work), time.monotonic()
        while len(self.outcome) < len(self._work):
            while len(running) < self._workers and (item := next(waiting, None)) is not None:
                tests = [test for test in _chosen(item[0], item[1].line, self._seen) if test in items]
                digest = _digest(*item, tests)
                verdict = self._kept.outcomes.get(digest) or (None if tests else SURVIVED)
                if verdict is None:
                    attempt = Attempt(item[0], broken(item[0].read_text(), item[1].number), known)
                    trial = Trial(attempt, [items[test] for test in tests], _patience(tests, self._seen))
                    running.append((*item, digest, trial))
                else:
                    self._note(item, verdict, began)
            for trying in list(running):
                verdict = trying[3].verdict()
                if verdict is not None:
                    running.remove(trying)
                    self._kept.outcomes[trying[2]] = verdict
                    self._note(trying[:2], verdict, began)
            time.sleep(0.005)
        self._kept.save()
        return True

    def _note(self, item: tuple[Path, Mutant], verdict: str, began: float) -> None:
        self.outcome.append((*item, verdict))
        if len(self.outcome) % 200 == 0:
            self._kept.save()
            say(f"{len(self.outcome)} of {len(self._work)} after {time.monotonic() - began:.0f} s")


def _patience(tests: list[str], seen: dict[str, Any]) -> float:
    return PATIENCE + 3 * float(sum(seen["seconds"][test] for test in tests))


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


def explained(file: Path) -> dict[str, str]:
    """Why each survivor of a module is harmless, by the mutant's key."""
    reasons = HERE / "survivors" / file.parent.name / f"{file.stem}.toml"
    return tomllib.loads(reasons.read_text()) if reasons.exists() else {}


def _report(outcome: list[tuple[Path, Mutant, str]], known: int) -> int:
    counts = Counter(verdict for _, _, verdict in outcome)
    survivors = list(_survivors(outcome))
    for file, mutant, reason in survivors:
        if reason is None:
            say(f"{file}:{mutant.line}: {mutant.key}")
    unexplained = sum(reason is None for *_, reason in survivors)
    say(
        f"{len(outcome)} mutants: {counts[KILLED]} killed, {counts[SLOW]} ran out of time, "
        f"{counts[SURVIVED] + counts[UNTRIED]} survived, of which {unexplained} without a reason in survivors/; "
        f"{known} with a reason were not tried again"
    )
    return 1 if unexplained else 0


def _survivors(outcome: list[tuple[Path, Mutant, str]]) -> Iterator[tuple[Path, Mutant, str | None]]:
    for path, mutant, verdict in outcome:
        if verdict in (SURVIVED, UNTRIED):
            yield path.relative_to(TOP), mutant, explained(path).get(mutant.key)


if __name__ == "__main__":
    raise SystemExit(main())
