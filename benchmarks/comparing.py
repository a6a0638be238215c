"""Judges ours, the same tools written with the SDK and with FastMCP, and the reference servers; writes the page on it.

``python benchmarks/comparing.py`` (``make compare``; 15 minutes). Every server is judged by ``holdfast attack`` on the
same day, two at a time, over each transport that it has; the reports are kept in ``.cache/compare`` and
``docs/comparison.md`` is made of them. ``--page`` makes the page anew from the reports that are there.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from compare_page import page
from compare_reports import Judged, Unreadable
from compare_start import as_plain, starts
from compare_subjects import ADDRESS, HTTP, OURS, TOP, Compared, Missing, compared, install
from machine import machine

KEPT = TOP / ".cache" / "compare"
PAGE = TOP / "docs" / "comparison.md"
SEED = 20_261_121
AT_ONCE = 2
"""Servers judged at the same time: a run mostly waits for the server, and its verdicts do not lean on speed."""
LONGEST = {"quick": 300.0, "full": 1500.0}
"""Seconds in which an attack ends by itself."""


class Failed(Exception):
    """A server could not be judged; the message is what the attack said last."""


def words(server: Compared, transport: str, report: Path, options: argparse.Namespace) -> list[str]:
    """The attack on one server over one transport."""
    chosen = [word for case in options.case for word in ("--case", case)]
    chosen += ["--full"] if options.profile == "full" else []
    chosen += ["--url", ADDRESS] if transport == HTTP else []
    told = ["--json", str(report), "--seed", str(options.seed), "--allow-writes"]
    return [sys.executable, "-m", "holdfast.cli", "attack", *told, *chosen, "--", *server.command(transport)]


def judge(server: Compared, transport: str, options: argparse.Namespace) -> None:
    """Attack it; the report stays in the folder. Raises ``Failed``."""
    report = _report(server, transport, options)
    report.unlink(missing_ok=True)
    begun = time.monotonic()
    longest = LONGEST[options.profile] + 60
    try:
        ran = subprocess.run(
            words(server, transport, report, options),
            cwd=TOP,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=longest,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Failed(f"{server.label} over {transport}: the attack did not end within {longest:.0f} s") from None
    if ran.returncode not in (0, 1) or not report.is_file():
        last = (ran.stderr.strip() or ran.stdout.strip() or "nothing was said").splitlines()[-1]
        raise Failed(f"{server.label} over {transport}: {last}")
    whole = Judged.read(server.name, transport, report).whole
    print(
        f"{server.label:18} {transport:5} {time.monotonic() - begun:6.0f} s   {whole['passed']} passed,"
        f" {whole['failed']} failed, {whole['not_applicable']} not applicable, {whole['inconclusive']} inconclusive",
        flush=True,
    )


def _report(server: Compared, transport: str, options: argparse.Namespace) -> Path:
    kept: Path = options.reports / f"{server.name}-{transport}.json"
    return kept


def _pairs(chosen: Sequence[Compared]) -> list[tuple[Compared, str]]:
    return [(server, transport) for server in chosen for transport in server.transports]


def surroundings(chosen: Sequence[Compared], options: argparse.Namespace) -> dict[str, Any]:
    """What the page says of the run: kind of machine, versions, and how fast each server starts."""
    about = machine()
    return {
        "date": about["date"],
        "seed": options.seed,
        "profile": options.profile,
        "cases": options.case,
        "machine": f"{platform.system()} on {platform.machine()}, {about['cores']} cores, {about['python']}",
        "versions": {server.name: server.version() for server in chosen},
        "starts": as_plain(starts(chosen, options.rounds)),
    }


def read(folder: Path, chosen: Sequence[Compared]) -> list[Judged]:
    """Every report that the servers should have. Raises ``Unreadable``."""
    return [
        Judged.read(server.name, transport, folder / f"{server.name}-{transport}.json")
        for server in chosen
        for transport in server.transports
    ]


def _options(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--only",
        default="",
        help="names of servers, with commas between; ours is always one, *_careful only when named",
    )
    parser.add_argument("--case", action="append", default=[], help="a case or a class, to try it out; may be repeated")
    parser.add_argument("--profile", choices=tuple(LONGEST), default="quick")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--rounds", type=int, default=5, help="starts of each server that are measured")
    parser.add_argument("--reports", type=Path, default=KEPT, help="folder of the reports")
    parser.add_argument("--page-file", type=Path, default=PAGE)
    parser.add_argument("--resume", action="store_true", help="keep the reports that are there, and judge the others")
    parser.add_argument("--page", action="store_true", help="attack nobody: make the page from the reports")
    return parser.parse_args(given)


def _chosen(names: str) -> list[Compared]:
    known = compared()
    named = {name.strip() for name in names.split(",") if name.strip()}
    wanted = named or {server.name for server in known if server.usual}
    if unknown := wanted - {server.name for server in known}:
        told = ", ".join(server.name for server in known)
        raise Missing(f"there is no server {', '.join(sorted(unknown))}; there are {told}")
    return [server for server in known if server.name in wanted | {OURS}]


def _run(options: argparse.Namespace) -> None:
    chosen = _chosen(options.only)
    about = options.reports / "run.json"
    if not options.page:
        install(chosen)
        options.reports.mkdir(parents=True, exist_ok=True)
        if not (options.resume and about.is_file()):
            about.write_text(json.dumps(surroundings(chosen, options), indent=2) + "\n", encoding="utf-8")
        pairs = [pair for pair in _pairs(chosen) if not (options.resume and _report(*pair, options).is_file())]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(lambda pair: judge(*pair, options), pairs))
    told = json.loads(about.read_text(encoding="utf-8")) if about.is_file() else None
    if told is None:
        raise Unreadable("there are no reports yet: run without --page")
    options.page_file.write_text(page(chosen, read(options.reports, chosen), told), encoding="utf-8")
    print(f"written: {options.page_file}")


def main(given: Sequence[str] | None = None) -> int:
    """The command: 1 when a server could not be judged."""
    try:
        _run(_options(given))
    except (Failed, Missing, Unreadable) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
