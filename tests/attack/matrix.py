"""Plays the cases of `holdfast attack` against servers with one known fault each, and prints what was found in which.

    python tests/attack/matrix.py [--at-once 2] [--json FILE] [NAME ...]

plays the whole quick profile (and the case that is meant, whichever profile it belongs to) against each server that is
named, or against all, and against their mended twins. Each run is a process of its own, and bounded in time. With a
file it goes on where an earlier run has stopped.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from attack.faults import Fault, faults, twins

from holdfast_attack.cases import all_cases
from holdfast_attack.model import Report, Verdict
from holdfast_attack.play import attack

AT_ONCE = 2
LONGEST = 400.0
"""Seconds for one run of the quick profile, which bounds itself to 300."""
WRONG = (Verdict.FAILED, Verdict.ADVICE)


@dataclass(frozen=True, slots=True)
class Seen:
    """What one run found. ``undecided``: cases that were inconclusive."""

    found: tuple[str, ...] = ()
    undecided: tuple[str, ...] = ()
    seconds: float = 0.0
    trouble: str = ""


@dataclass(slots=True)
class Matrix:
    """What was found in which server; twins by the name of the first fault that they are the twin of."""

    faulty: dict[str, Seen] = field(default_factory=dict)
    mended: dict[str, Seen] = field(default_factory=dict)


async def whole(fault: Fault, *, mended: bool) -> Report:
    """The quick profile in one era, and the meant case."""
    kinds = tuple(dict.fromkeys(case.kind for case in all_cases()))
    return await attack(fault.plan(mended=mended, only=(*kinds, fault.case), versions=(fault.version,)))


def seen(report: Report) -> Seen:
    """What a report says, advice too."""
    wrong = dict.fromkeys(one.case.id for one in report.outcomes if one.verdict in WRONG)
    undecided = dict.fromkeys(one.case.id for one in report.outcomes if one.verdict is Verdict.INCONCLUSIVE)
    return Seen(tuple(wrong), tuple(undecided), round(report.seconds, 1))


async def in_a_process(fault: Fault, *, mended: bool) -> Seen:
    """One run in a process of its own."""
    words = [sys.executable, __file__, "--one", fault.name, *(["--mended"] if mended else [])]
    process = await asyncio.create_subprocess_exec(
        *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        said, complaint = await asyncio.wait_for(process.communicate(), LONGEST)
    except TimeoutError:
        return Seen(trouble=f"not done after {LONGEST:g} s")
    finally:
        if process.returncode is None:
            process.terminate()  # it ends its server and clears up
            await process.wait()
    if process.returncode:
        return Seen(trouble=complaint.decode("utf-8", "replace").strip().splitlines()[-1][:200])
    return _seen(json.loads(said))


async def play(wanted: Sequence[Fault], matrix: Matrix, at_once: int, file: Path | None) -> None:
    """All runs that the matrix does not hold yet, so many at the same time; what is known is kept in the file."""
    places = asyncio.Semaphore(at_once)

    async def one(fault: Fault, *, mended: bool) -> None:
        async with places:
            kept = matrix.mended if mended else matrix.faulty
            if fault.name not in kept:
                kept[fault.name] = await in_a_process(fault, mended=mended)
                print(f"{fault.name}{' (mended)' * mended}: {kept[fault.name]}", file=sys.stderr, flush=True)
        if file is not None:
            file.write_text(json.dumps(asdict(matrix), indent=1))

    runs = [one(fault, mended=True) for fault in twins(wanted)] + [one(fault, mended=False) for fault in wanted]
    await asyncio.gather(*runs)


def kept_in(file: Path | None) -> Matrix:
    """What an earlier run has kept."""
    if file is None or not file.is_file():
        return Matrix()
    told = json.loads(file.read_text())
    return Matrix(*({name: _seen(what) for name, what in told[half].items()} for half in ("faulty", "mended")))


def _seen(told: dict[str, Any]) -> Seen:
    return Seen(tuple(told["found"]), tuple(told["undecided"]), told["seconds"], told["trouble"])


def table(wanted: Iterable[Fault], matrix: Matrix) -> str:
    """The matrix as text: a row for each fault, one for each twin with a finding, and the totals."""
    rows, detected, others = [], 0, 0
    wanted = tuple(wanted)
    for fault in wanted:
        what = matrix.faulty.get(fault.name, Seen(trouble="not played"))
        more = [name for name in what.found if name != fault.case]
        detected += fault.case in what.found
        others += len(more)
        shown = ", ".join(more[:4]) + (f" and {len(more) - 4} more" if len(more) > 4 else "")
        verdict = "found" if fault.case in what.found else f"NOT FOUND {what.trouble}".strip()
        rows.append(f"{fault.name:30} {fault.case:28} {verdict:10} {shown or '-'}")
    clean = sum(not what.found and not what.trouble for what in matrix.mended.values())
    rows += [f"{name} (mended): {what}" for name, what in matrix.mended.items() if what.found or what.trouble]
    mean = others / max(1, len(wanted))
    total = (
        f"detected {detected}/{len(wanted)}; others found on average {mean:.2f}; "
        f"twins with nothing found {clean}/{len(matrix.mended)}"
    )
    return "\n".join([f"{'server':30} {'case that is meant':28} {'':10} found by others too", *rows, "", total])


def main() -> int:
    """Status 0 when every fault was found by the case meant for it, and no twin was found to have any."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--at-once", type=int, default=AT_ONCE)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--mended", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    known = {fault.name: fault for fault in faults()}
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that what was started is ended
    if given.one:
        print(json.dumps(asdict(seen(asyncio.run(whole(known[given.one], mended=given.mended))))))
        return 0
    wanted = [fault for fault in faults() if not given.names or fault.name in given.names]
    matrix = kept_in(given.json)
    asyncio.run(play(wanted, matrix, given.at_once, given.json))
    print(table(wanted, matrix))
    right = all(fault.case in matrix.faulty[fault.name].found for fault in wanted)
    return 0 if right and not any(what.found or what.trouble for what in matrix.mended.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
