"""Side by side: the bare SDK, FastMCP, holdfast with every default guard, and the floor; prints ratios and the bars.

    python benchmarks/run.py                  all of it, in about 12 minutes; writes results/ and README.md
    python benchmarks/run.py --quick          a first impression in under two minutes; writes nothing
    python benchmarks/run.py --check          holdfast against the newest record; 1 when a ratio is worse by 15 %
    python benchmarks/run.py --only holdfast,stdio,growth
                                              some servers or scenarios (the bare SDK is always there: the yardstick)
    python benchmarks/run.py --also FILE      a server of your own: `stdio` or `http PORT`, with add(a, b), echo(text)

Exit status: 0, also when a bar is not met; 1 when a server answered wrongly or not at all, or when `--check` found a
ratio that got worse; 2 for wrong usage, or nothing to check against; 130 after Ctrl-C. Nothing is left running.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from answers import Failed
from bars import verdicts
from compare import TOLERANCE, NoRecord, confirmed, latest, recorded
from figures import HOLDFAST, READONLY, Series
from machine import machine
from plan import CHECK, FULL, GROUPS, QUICK, Plan
from plot import svg
from processes import end_all
from record import Run, about, as_json, regenerate, section
from rounds import Bench
from subjects import HERE, YARDSTICK, Subject, speeders, subjects
from table import painted_verdict, tables, text, unmeasured

RESULTS = HERE / "results"
WRONG_USAGE, INTERRUPTED = 2, 130
COMPARED = (YARDSTICK, HOLDFAST, READONLY)


def main(argv: list[str] | None = None) -> int:
    """Measure, print, and write down."""
    signal.signal(signal.SIGTERM, _stop)
    try:
        options = _options(argv)
        return _check(options) if options.check else _bench(options)
    except Failed as failure:
        _progress("")
        print(f"benchmark failed: {failure}", file=sys.stderr)
        return 1
    except NoRecord as reason:
        print(reason, file=sys.stderr)
        return WRONG_USAGE
    except KeyboardInterrupt:
        end_all()
        _progress("")
        print("interrupted; every server is ended, nothing was written", file=sys.stderr)
        return INTERRUPTED


def _stop(_number: int, _frame: object) -> None:
    """End like Ctrl-C, so that servers are ended first."""
    raise KeyboardInterrupt


def _bench(options: argparse.Namespace) -> int:
    facts = machine()
    chosen = _chosen(options)
    bench = Bench([each for each in chosen if each.missing is None], _groups(options), _plan(options), _progress)
    bench.run()
    run = Run(chosen, bench.laps.series, bench.rounds, facts | {"speeders": _speeders(chosen)})
    _show(run)
    _write(options, run)
    return 0


def _check(options: argparse.Namespace) -> int:
    path = options.against or latest(RESULTS)
    before = recorded(path)
    groups = _groups(options) & {"start", "stdio", "http", "legacy", "inside", "growth"}
    late = confirmed(before, partial(_compared, options), groups, _say)
    _progress("")
    if not late:
        print(f"no ratio is more than {TOLERANCE:.0%} worse than in {path.name}")
        return 0
    print(f"slower than in {path.name}, {TOLERANCE:.0%} and more, in each of several measurements:")
    for each in late:
        print(f"  {each}")
    return 1


def _compared(options: argparse.Namespace, groups: frozenset[str]) -> Series:
    """One short run of the servers whose ratios are compared."""
    chosen = [subject for subject in _chosen(options) if subject.name in COMPARED]
    bench = Bench(chosen, groups, _plan(options), _progress)
    bench.run()
    return bench.laps.series


def _options(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, usage="run.py [options]"
    )
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--quick", action="store_true", help="one short round")
    kind.add_argument("--check", action="store_true", help="compare holdfast's ratios with the recorded ones")
    parser.add_argument("--against", type=Path, metavar="FILE", help="the record to compare with (default: the newest)")
    parser.add_argument("--only", default="", metavar="NAME,...", help=f"servers, or any of {', '.join(GROUPS)}")
    parser.add_argument("--also", action="append", default=[], type=Path, metavar="FILE", help="a server of your own")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results here")
    parser.add_argument("--readme", type=Path, metavar="FILE", help="write the section here, after a partial run too")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="write the plot here")
    parser.add_argument("--fastmcp", metavar="PYTHON", help="an interpreter that has FastMCP")
    parser.add_argument("--rounds", type=_count, metavar="N")
    parser.add_argument("--calls", type=_count, metavar="N", help="calls of each load, at most")
    options = parser.parse_args(argv)
    for script in options.also:
        if not script.is_file():
            parser.error("--also names a Python file")
    options.only = {name for name in options.only.split(",") if name}
    known = {subject.name for subject in subjects(options.fastmcp, options.also)} | set(GROUPS)
    if options.only - known:
        parser.error(f"--only takes {', '.join(sorted(known))}")
    return options


def _count(word: str) -> int:
    if not word.isdigit() or int(word) < 1:
        raise argparse.ArgumentTypeError("a whole number above zero")
    return int(word)


def _plan(options: argparse.Namespace) -> Plan:
    base = CHECK if options.check else QUICK if options.quick else FULL
    return replace(base, rounds=options.rounds or base.rounds, calls=options.calls or base.calls)


def _chosen(options: argparse.Namespace) -> list[Subject]:
    """Every server, or those that were named, and the yardstick."""
    every = subjects(options.fastmcp, options.also)
    named = options.only - set(GROUPS)
    wanted = named | {YARDSTICK} | {path.stem for path in options.also}
    return [subject for subject in every if not named or subject.name in wanted]


def _groups(options: argparse.Namespace) -> frozenset[str]:
    """Every scenario, or those that were named."""
    return frozenset(options.only & set(GROUPS) or GROUPS)


def _speeders(chosen: list[Subject]) -> str:
    """What each interpreter has of uvicorn's accelerators: it uses them by default."""
    found: dict[str, list[str]] = {}
    for subject in chosen:
        if subject.missing is None:
            found.setdefault(subject.python, []).append(subject.name)
    told = {python: speeders(python) for python in found}
    if len(set(told.values())) == 1:
        return next(iter(told.values()))
    return "; ".join(f"{words} ({', '.join(found[python])})" for python, words in told.items())


def _progress(words: str) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\033[K{words}")
        sys.stderr.flush()


def _say(words: str) -> None:
    _progress("")
    print(words, file=sys.stderr)


def _show(run: Run) -> None:
    _progress("")
    colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    print(about(run))
    print("Medians over interleaved laps; Nx: the ratio to the bare SDK in the same lap.\n")
    print(text(tables(run.subjects, run.series), colour=colour), "\n", sep="")
    for line in unmeasured(run.subjects):
        print(line)
    for line in verdicts(run.series):
        print(painted_verdict(line, colour=colour))


def _write(options: argparse.Namespace, run: Run) -> None:
    """A partial run writes only where it was told to, so that it never replaces the figures of a whole one."""
    whole = not (options.quick or options.only or options.also or options.rounds or options.calls)
    usual: dict[str, Any] = (
        {
            "json": RESULTS / f"{run.machine['date']}.json",
            "svg": RESULTS / f"{run.machine['date']}.svg",
            "readme": HERE / "README.md",
        }
        if whole
        else {}
    )
    results, plot, readme = (getattr(options, name) or usual.get(name) for name in ("json", "svg", "readme"))
    for path, words in ((results, as_json(run)), (plot, svg(run.subjects, run.series, _caption(run)))):
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(words, encoding="utf-8")
    if readme is not None:
        beside = os.path.relpath(plot, readme.parent) if plot else None
        regenerate(readme, section(run, beside))


def _caption(run: Run) -> str:
    return f"{run.machine['date']}, {run.machine['cpu']}, {run.machine['cores']} cores, {run.machine['python']}"


if __name__ == "__main__":
    sys.exit(main())
