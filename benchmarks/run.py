"""Side by side: the bare SDK, FastMCP, holdfast with every default guard, and the floor; prints ratios.

    python benchmarks/run.py                  all of it, in under six minutes; writes results/ and README.md
    python benchmarks/run.py --quick          a first impression in under a minute; writes nothing
    python benchmarks/run.py --only holdfast  some of them (the bare SDK is always measured: it is the yardstick)
    python benchmarks/run.py --also FILE      a server of your own, which takes `stdio` or `http PORT` and has add(a, b)

Exit status: 0; 1 when a server answered wrongly or not at all, or when `--check` found holdfast slower than the bare
SDK over stdio; 2 for wrong usage.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from answers import Failed
from figures import Round, figures, slower
from machine import machine
from record import as_json, regenerate, section
from rounds import Plan, measure
from subjects import HERE, YARDSTICK, Subject, subjects
from table import text, unmeasured

FULL = Plan(rounds=7, calls=1_000, budget=330.0)
QUICK = Plan(rounds=2, calls=200, budget=45.0)


def main(argv: list[str] | None = None) -> int:
    """Measure, print, and write down."""
    options = _options(argv)
    chosen = _chosen(options)
    base = QUICK if options.quick else FULL
    plan = Plan(options.rounds or base.rounds, options.calls or base.calls, base.budget)
    about = machine()
    rounds: list[Round] = []
    try:
        rounds += measure([subject for subject in chosen if subject.missing is None], plan, _progress)
    except Failed as failure:
        print(f"benchmark failed: {failure}", file=sys.stderr)
        return 1
    _show(chosen, rounds, about)
    _write(options, chosen, rounds, about)
    late = slower(figures(rounds))
    print("\n".join(late) or "holdfast is no slower over stdio than the bare SDK")
    return 1 if options.check and late else 0


def _options(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="two short rounds")
    parser.add_argument("--only", default="", metavar="NAME,...", help="some of the servers")
    parser.add_argument("--also", action="append", default=[], type=Path, metavar="FILE", help="a server of your own")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results here")
    parser.add_argument("--readme", type=Path, metavar="FILE", help="write the section here, after a partial run too")
    parser.add_argument("--fastmcp", metavar="PYTHON", help="an interpreter that has FastMCP")
    parser.add_argument("--rounds", type=_count, metavar="N")
    parser.add_argument("--calls", type=_count, metavar="N", help="calls of each load, at most")
    parser.add_argument(
        "--check", action="store_true", help="fail when holdfast is slower than the bare SDK over stdio"
    )
    options = parser.parse_args(argv)
    for script in options.also:
        if not script.is_file():
            parser.error("--also names a Python file")
    known = {subject.name for subject in subjects(options.fastmcp, options.also)}
    options.only = {name for name in options.only.split(",") if name}
    if options.only - known:
        parser.error(f"--only takes {', '.join(sorted(known))}")
    return options


def _count(word: str) -> int:
    if not word.isdigit() or int(word) < 1:
        raise argparse.ArgumentTypeError("a whole number above zero")
    return int(word)


def _chosen(options: argparse.Namespace) -> list[Subject]:
    wanted = options.only | {YARDSTICK} | {path.stem for path in options.also}
    every = subjects(options.fastmcp, options.also)
    return [subject for subject in every if not options.only or subject.name in wanted]


def _progress(words: str) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\033[K{words}")
        sys.stderr.flush()


def _show(chosen: Sequence[Subject], rounds: Sequence[Round], about: dict[str, str]) -> None:
    _progress("")
    colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    print(f"{about['cpu']}, {about['cores']} cores, {about['kernel']}, {about['python']}; load {about['load']}")
    print(f"medians of {len(rounds)} interleaved rounds; Nx: ratio to the bare SDK in the same round\n")
    print(text(chosen, figures(rounds), colour=colour), "\n", sep="")
    for line in unmeasured(chosen):
        print(line)


def _write(
    options: argparse.Namespace, chosen: Sequence[Subject], rounds: Sequence[Round], about: dict[str, str]
) -> None:
    """A partial run writes only where it was told to, so that it never replaces the figures of a whole one."""
    whole = not (options.quick or options.only or options.also or options.rounds or options.calls)
    results = options.json or (HERE / "results" / f"{about['date']}.json" if whole else None)
    readme = options.readme or (HERE / "README.md" if whole else None)
    if results is not None:
        results.parent.mkdir(parents=True, exist_ok=True)
        results.write_text(as_json(chosen, rounds, about), encoding="utf-8")
    if readme is not None:
        regenerate(readme, section(chosen, rounds, about))


if __name__ == "__main__":
    sys.exit(main())
