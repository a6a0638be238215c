"""Every guard earns its place: with one line taken out of the order, a caller over a real pipe sees the difference."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.guard_probes import PROBES, SETTINGS
from support.peers import UNMEASURED, StdioPeer

SERVER = Path(__file__).parent / "servers" / "guarded.py"
SOURCE = Path(__file__).parents[2] / "src" / "holdfast"
LINE = re.compile(r"^    (\w+)\.recipe,.*$", re.MULTILINE)
GUARDS = LINE.findall((SOURCE / "guards" / "__init__.py").read_text())


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[StdioPeer, Path]]:
    """A server with every guard."""
    state = tmp_path_factory.mktemp("whole") / "state"
    with StdioPeer(SERVER, state, **SETTINGS) as peer:
        peer.initialize()
        yield peer, state


def linked(source: Path, folder: Path, *besides: str) -> None:
    """Make a folder of links to what is in another one, besides some entries: a copy, and compiled already."""
    folder.mkdir(parents=True)
    for entry in source.iterdir():
        if entry.name not in besides:
            (folder / entry.name).symlink_to(entry)


def test_every_guard_has_its_probe_and_every_probe_its_guard() -> None:
    assert sorted(PROBES) == sorted(GUARDS)


@pytest.mark.parametrize("guard", GUARDS)
def test_the_probe_passes_with_every_guard_in_place(whole: tuple[StdioPeer, Path], guard: str) -> None:
    PROBES[guard](*whole)


@pytest.mark.parametrize("guard", GUARDS)
def test_the_probe_fails_when_its_guard_is_taken_out(guard: str, tmp_path: Path) -> None:
    order = (SOURCE / "guards" / "__init__.py").read_text()
    taken_out = re.sub(rf"^    {guard}\.recipe,.*\n", "", order, flags=re.MULTILINE)
    assert taken_out != order
    package = tmp_path / "src" / "holdfast"
    linked(SOURCE, package, "guards")
    linked(SOURCE / "guards", package / "guards", "__init__.py", "__pycache__")
    (package / "guards" / "__init__.py").write_text(taken_out)
    state = tmp_path / "state"
    with StdioPeer(SERVER, state, PYTHONPATH=str(tmp_path / "src"), **SETTINGS, **UNMEASURED) as peer:
        peer.initialize()
        with pytest.raises((AssertionError, OSError)):
            PROBES[guard](peer, state)
