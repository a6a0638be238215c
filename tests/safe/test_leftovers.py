"""What killed writers left is swept away, and nothing else."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from holdfast.safe.paths import Root

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no directory descriptors on Windows")

NAME = ".holdfast-0123456789abcdef.tmp"


def aged(path: Path, modified: float) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x")
    os.utime(path, (modified, modified))
    return path


def test_only_old_temporary_files_of_ours_are_removed(tmp_path: Path) -> None:
    outside = aged(tmp_path / "outside" / NAME, 100)
    place = tmp_path / "workspace"
    gone = [aged(place / NAME, 100), aged(place / "a/b" / NAME, 100)]
    kept = [
        aged(place / "a" / NAME, 5000),
        aged(place / "a" / NAME.replace("0", "e"), 4400),
        aged(place / ".holdfast-notes.tmp", 100),
        aged(place / ".git" / NAME, 100),
        aged(place / "file.txt", 100),
        outside,
    ]
    (place / "link").symlink_to(outside.parent)
    (place / "c").mkdir()
    (place / "c" / NAME).mkdir()
    link = place / "a" / NAME.replace("0", "f")
    link.symlink_to("nowhere")
    os.utime(link, (100, 100), follow_symlinks=False)
    assert Root(place).sweep_sync(older_than=3600, wall=lambda: 8000.0) == 2
    assert not any(path.exists() for path in gone)
    assert all(path.exists() for path in kept)
    assert link.is_symlink()


def test_a_read_only_root_is_not_swept(tmp_path: Path) -> None:
    left = aged(tmp_path / NAME, 100)
    assert Root(tmp_path, read_only=True).sweep_sync() == 0
    assert left.exists()
