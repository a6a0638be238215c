"""When a file was last set aside as damaged: looked for by its name, wherever it has gone meanwhile."""

from __future__ import annotations

import os
from pathlib import Path

from holdfast.state.losses import Losses, _when, name_for


def lose(path: Path, number: int, when: float) -> Path:
    """A damaged file that was set aside then."""
    lost = path.with_name(f"{path.name}.damaged-{number}")
    lost.touch()
    os.utime(lost, (when, when))
    return lost


def test_the_newest_loss_counts_and_an_older_one_when_that_is_moved_away(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    newest, _ = lose(path, 1, 200.0), lose(path, 2, 100.0)
    losses = Losses(path)
    losses.look()
    assert losses.since() == 200.0
    newest.unlink()
    assert losses.since() == 100.0


def test_without_a_folder_or_a_file_nothing_was_lost(tmp_path: Path) -> None:
    for path in (None, tmp_path / "none" / "state.sqlite", tmp_path / "state.sqlite"):
        losses = Losses(path)
        losses.look()
        assert losses.since() is None
    assert _when(tmp_path / "gone") == 0.0


def test_each_loss_has_a_name_of_its_own_and_its_time(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    assert name_for(path, lambda: 50.0).name == "state.sqlite.damaged-1"
    path.touch()
    lose(path, 7, 1.0)
    lose(path.with_name("other"), 9, 1.0)
    assert name_for(path, lambda: 50.0).name == "state.sqlite.damaged-8"
    assert path.stat().st_mtime == 50.0
