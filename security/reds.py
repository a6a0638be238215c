"""Take the guard of each published attack away and see the test of its id fail; a test that cannot fail holds nothing.

    python security/reds.py [ID ...] [--workers N]

``reds.toml`` says which text of which module is the guard. Each removal is applied to a copy of ``src/``, which the
test and the servers it starts import; the sources themselves are left alone. Prints a line for each, and exits with 1
when a test stays green, or fails for want of sense in what is left (an import, a name).
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
TOP = HERE.parent
PACKAGE = Path("src") / "holdfast"
PATIENCE = 90.0
"""Seconds that one test gets; none takes ten when nothing is broken."""
HANGS = 20.0
"""Seconds after which a test whose guard bounds the time counts as failed: it takes less than one with the guard."""
_NONSENSE = re.compile(r"\b(?:Syntax|Indentation|Import|ModuleNotFound|Name|UnboundLocal)Error\b")
_FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+?::\w+).*?(?: - (.*))?$", re.MULTILINE)


@dataclass(frozen=True)
class Removal:
    """``tests`` are node ids; ``edits`` are file (beneath ``src/holdfast``), the text that goes and what comes."""

    attack: str
    what: str
    edits: tuple[tuple[str, str, str], ...]
    tests: tuple[str, ...]
    hangs: bool


@dataclass(frozen=True)
class Outcome:
    """``verdict`` is red, green or broken; ``why`` is the failure in pytest's words."""

    removal: Removal
    test: str
    verdict: str
    why: str


def spelled(name: str) -> str:
    """An id as it stands in the name of a test."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower())


def named_tests(name: str) -> tuple[str, ...]:
    """The node ids, without parameters, of the tests whose names hold the id."""
    pattern = re.compile(rf"^(?:async )?def (test_(?:\w*_)?{spelled(name)}(?:_\w*)?)\(", re.MULTILINE)
    files = sorted((TOP / "tests" / "attacks").glob("test_*.py"))
    return tuple(f"tests/attacks/{file.name}::{test}" for file in files for test in pattern.findall(file.read_text()))


def removals(path: Path = HERE / "reds.toml") -> list[Removal]:
    """What ``reds.toml`` says, in its order."""
    said: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    made = []
    for attack, entries in said["red"].items():
        held = named_tests(attack)
        for entry in entries:
            guards = [said["remove"][name] for name in entry["without"]]
            edits = tuple(tuple(edit) for guard in guards for edit in guard["edits"])
            chosen = tuple(test for test in held if test.endswith(entry.get("test", "")))
            tests = tuple(test + entry.get("case", "") for test in chosen)
            what = "; ".join(guard["what"] for guard in guards)
            made.append(Removal(attack, what, edits, tests, entry.get("hangs", False)))
    return made


def broken(removal: Removal, top: Path = TOP) -> dict[str, str]:
    """The modules without the guard. Raises ``ValueError`` for a text that does not occur exactly once."""
    sources: dict[str, str] = {}
    for file, old, new in removal.edits:
        text = sources.get(file) or (top / PACKAGE / file).read_text(encoding="utf-8")
        if text.count(old) != 1:
            raise ValueError(f"{file} holds this {text.count(old)} times, not once:\n{old}")
        sources[file] = text.replace(old, new)
    return sources


def outcomes(removal: Removal, scratch: Path) -> Iterator[Outcome]:
    """Run each test of a removal, in a copy of the sources without the guard."""
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        copy = Path(folder) / "src"
        shutil.copytree(TOP / "src", copy)
        for file, text in broken(removal).items():
            (copy / "holdfast" / file).write_text(text, encoding="utf-8")
        for test in removal.tests:
            yield Outcome(removal, test, *_judged(copy, [test], HANGS if removal.hangs else PATIENCE, removal.hangs))


def _judged(source: Path, tests: list[str], patience: float, hangs: bool = False) -> tuple[str, str]:
    """Run tests against ``source``, apart from all other processes: what they leave running ends with them."""
    made = {"PYTHONPATH": str(source), "CI": "true"}
    scratch = source.parent
    words = [sys.executable, "-m", "pytest", "-q", "-x", "--no-header", "--tb=no", "--basetemp", str(scratch / "tmp")]
    words += ["-o", f"cache_dir={scratch / 'cache'}", "-o", f"pythonpath={source} {TOP / 'tests'}", *tests]
    with subprocess.Popen(  # noqa: S603 # nosec B603 - our own words
        [*apart(), *words], cwd=TOP, env=os.environ | made, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            said, _ = process.communicate(timeout=patience)
        except subprocess.TimeoutExpired:
            process.kill()
            return ("red" if hangs else "broken"), f"no end within {patience:.0f} s"
    return _verdict(process.returncode, said)


def _verdict(status: int, said: str) -> tuple[str, str]:
    if status == 0:
        return "green", said.strip().rpartition("\n")[2]
    found = _FAILED.search(said)
    why = (found[2] or "failed") if found else said.strip()[-300:]
    sensible = status == 1 and found is not None and found[0].startswith("FAILED") and not _NONSENSE.search(why)
    return ("red" if sensible else "broken"), why


def apart() -> list[str]:
    """The words by which a command gets a PID namespace of its own; what ends processes, once broken, ends whatever it
    can reach, and whatever it leaves behind dies with the namespace."""
    words = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
    if os.geteuid() != 0:
        words[1:1] = ["--user", "--map-root-user"]
    unshare = shutil.which(words[0])
    if unshare is None or subprocess.run([unshare, *words[1:], "true"], check=False).returncode:  # noqa: S603 # nosec B603
        raise SystemExit("this needs a PID namespace for each test (unshare, util-linux), and there is none to be had")
    return [unshare, *words[1:]]


def main() -> int:
    """See everything green first, then each removal red."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("ids", nargs="*", help="attacks to look at (default: all)")
    parser.add_argument("--workers", type=int, default=2, help="tests run at once")
    options = parser.parse_args()
    wanted = [each for each in removals() if not options.ids or each.attack in options.ids]
    begun = time.monotonic()
    counts = {"red": 0, "green": 0, "broken": 0}
    with tempfile.TemporaryDirectory(prefix="holdfast-reds-") as scratch:
        tests = sorted({test for removal in wanted for test in removal.tests})
        verdict, why = _judged(_untouched(Path(scratch)), tests, 10 * PATIENCE)
        if verdict != "green":
            raise SystemExit(f"a test fails before anything is removed: {why}")
        with ThreadPoolExecutor(options.workers) as pool:
            for found in pool.map(lambda removal: list(outcomes(removal, Path(scratch))), wanted):
                for outcome in found:
                    counts[outcome.verdict] += 1
                    _say(outcome)
    took = time.monotonic() - begun
    sys.stdout.write(f"{counts['red']} red, {counts['green']} green, {counts['broken']} broken, in {took:.0f} s\n")
    return 1 if counts["green"] or counts["broken"] or not counts["red"] else 0


def _untouched(scratch: Path) -> Path:
    shutil.copytree(TOP / "src", scratch / "whole" / "src")
    return scratch / "whole" / "src"


def _say(outcome: Outcome) -> None:
    name, why = outcome.test.rpartition("::")[2], outcome.why.splitlines()[0] if outcome.why else ""
    sys.stdout.write(f"{outcome.removal.attack:22} {outcome.verdict:6} without {outcome.removal.what}\n")
    sys.stdout.write(f"{'':22} {name}: {why[:110]}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
