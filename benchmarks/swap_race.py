"""Opens paths while another process swaps links into them: counts how often each way of opening ends outside the root.

``python benchmarks/swap_race.py --tries 500000`` prints a line for each resolver and for the control, a check of the
real path before the open, which must leak: if the swapping were broken, every resolver would look safe. Exits with 1
when a resolver leaked or the control did not.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from holdfast.errors import UnsafePath
from holdfast.safe.paths import Root

CONTROL_TRIES = 20_000
"""Tries of the control: it leaks within the first few hundred."""
RESOLVERS: tuple[Literal["openat2", "walker"], ...] = ("openat2", "walker")
READ_FROM = ("dir/deep/file", "file", "dir/file")
WRITE_TO = ("dir/deep/new", "file", "dir/new")

SWAPPER = """
import os, sys
os.chdir(sys.argv[1])
print("ready", flush=True)
while os.getppid() == int(sys.argv[2]):
    for _ in range(1000):
        os.rename("dir", "dir.real"); os.rename("dir.link", "dir")
        os.symlink("../outside/file", "file.next"); os.rename("file.next", "file")
        os.rename("dir", "dir.link"); os.rename("dir.real", "dir")
        with open("file.next", "w") as file:
            file.write("inside")
        os.rename("file.next", "file")
"""


@dataclass
class Tally:
    """What became of so many tries, and the seconds they took."""

    way: str
    inside: int = 0
    refused: int = 0
    escaped: int = 0
    seconds: float = 0.0

    @property
    def tries(self) -> int:
        """All of them."""
        return self.inside + self.refused + self.escaped

    def __str__(self) -> str:
        each = 1e6 * self.seconds / max(1, self.tries)
        return f"{self.way:<16} {self.tries:>9,} {self.inside:>9,} {self.refused:>9,} {self.escaped:>9,} {each:>8.1f}"


HEAD = f"{'way':<16} {'tries':>9} {'inside':>9} {'refused':>9} {'ESCAPED':>9} {'us each':>8}"


@contextmanager
def swapping(base: Path) -> Iterator[Path]:
    """A root beneath ``base`` whose ``dir`` and ``file`` change all the time between real ones and links outside."""
    place, outside = base / "root", base / "outside"
    for folder, word in ((place / "dir", "inside"), (outside, "secret")):
        (folder / "deep").mkdir(parents=True)
        (folder / "deep" / "file").write_text(word)
        (folder / "file").write_text(word)
    (place / "file").write_text("inside")
    (place / "dir.link").symlink_to(outside)
    command = [sys.executable, "-c", SWAPPER, str(place), str(os.getpid())]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    swapper = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE)
    try:
        if swapper.stdout is None or swapper.stdout.readline() != b"ready\n":
            raise RuntimeError("the swapper did not start")
        yield place
    finally:
        swapper.kill()
        swapper.communicate()


def count(way: str, tries: int, attempt: Callable[[int], bytes | None]) -> Tally:
    """``attempt`` gives what it read, or ``None`` when it was refused."""
    tally = Tally(way)
    begun = time.perf_counter()
    for number in range(tries):
        found = attempt(number)
        if found is None:
            tally.refused += 1
        elif found == b"secret":
            tally.escaped += 1
        else:
            tally.inside += 1
    tally.seconds = time.perf_counter() - begun
    return tally


def reads(root: Root, tries: int) -> Tally:
    """Through the guard."""
    parts = [tuple(text.split("/")) for text in READ_FROM]

    def attempt(number: int) -> bytes | None:
        try:
            return root.read_bytes(parts[number % len(parts)])
        except UnsafePath:
            return None

    return count(f"read {root.resolver_name}", tries, attempt)


def writes(root: Root, tries: int) -> Tally:
    """Through the guard: appending, removing, moving and replacing in turn. An escape is any change outside."""
    outside = root.path.parent / "outside"
    before = _content(outside)

    def attempt(number: int) -> bytes | None:
        target = root.write(WRITE_TO[number % len(WRITE_TO)])
        try:
            if number % 4 == 0:
                target.append_text_sync("x")
            elif number % 4 == 1:
                target.remove_sync()
            elif number % 4 == 2:
                target.move_sync(root.write(f"dir/moved{number % 7}"))
            else:
                target.write_text_sync("inside")
        except UnsafePath:
            return None
        except OSError:
            return None  # a name that the swapper had just taken away
        return b"secret" if _content(outside) != before else b"inside"

    return count(f"write {root.resolver_name}", tries, attempt)


def _content(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def control(place: Path, tries: int) -> Tally:
    """The usual way: resolve, compare the beginning, open."""
    paths = [place / text for text in READ_FROM]

    def attempt(number: int) -> bytes | None:
        path = paths[number % len(paths)]
        try:
            return path.read_bytes() if os.path.realpath(path).startswith(f"{place}/") else None
        except OSError:
            return None

    return count("read realpath", tries, attempt)


def race(base: Path, tries: int, writing: int) -> list[Tally]:
    """Each way in turn, in a fresh tree each, the control last."""
    tallies = []
    for resolver in RESOLVERS:
        for name, work, times in (("read", reads, tries), ("write", writes, writing)):
            with swapping(base / f"{name}-{resolver}") as place:
                root = Root(place, resolver=resolver)
                tallies.append(work(root, times))
                root.close()
    with swapping(base / "control") as place:
        tallies.append(control(place, min(tries, CONTROL_TRIES)))
    return tallies


def sound(tallies: list[Tally]) -> bool:
    """Whether the guards kept, the control leaked, and each met the swapping: both outcomes were seen."""
    *guarded, usual = tallies
    return usual.escaped > 0 and all(not tally.escaped and tally.inside and tally.refused for tally in guarded)


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tries", type=int, default=500_000, help="reads for each resolver")
    parser.add_argument("--writes", type=int, default=2_000, help="changes for each resolver, each synced")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as base:
        tallies = race(Path(base), options.tries, options.writes)
    print(HEAD, *tallies, sep="\n")
    return 0 if sound(tallies) else 1


if __name__ == "__main__":
    sys.exit(main())
