"""Which folders count as local: doubt is answered with no."""

from __future__ import annotations

from pathlib import Path

import pytest

from holdfast.observe.local import is_local


@pytest.mark.parametrize(
    "rows, expected",
    [
        (["/ ext4"], True),
        (["/ rootfs", "/ overlay"], True),
        (["/ ext4", "{top} tmpfs"], True),
        (["/ ext4", "{top} nfs4"], False),
        (["/ fuse.sshfs", "{top} ext4"], False),
        (["/ 9p"], False),
        (["/ ext4", "{folder} nfs"], False),
        (["/ ext4", "{folder}/below nfs", "{folder}2 nfs"], True),
        (["/ ext4", "{top} nfs", "{top} ext4"], False),
        (["{folder}/below ext4"], False),
        ([], False),
        (["garbage", ""], False),
    ],
)
def test_every_mount_from_the_root_to_the_folder_must_be_local(tmp_path: Path, rows: list[str], expected: bool) -> None:
    folder = tmp_path / "a folder"
    folder.mkdir()
    mounts = tmp_path / "mountinfo"
    mounts.write_text("".join(f"{row(each, tmp_path, folder)}\n" for each in rows))
    assert is_local(folder, mounts) is expected


def row(short: str, top: Path, folder: Path) -> str:
    """``point type`` as the kernel writes it."""
    point, _, kind = short.partition(" ")
    if not kind:
        return short
    point = point.format(top=top, folder=folder).replace(" ", "\\040")
    return f"36 35 98:0 / {point} rw,noatime master:1 - {kind} /dev/x rw"


def test_a_link_is_followed_to_where_it_leads(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "here").symlink_to(tmp_path / "there")
    mounts = tmp_path / "mountinfo"
    mounts.write_text("\n".join([row("/ ext4", tmp_path, tmp_path), row("{top}/there nfs", tmp_path, tmp_path)]))
    assert not is_local(tmp_path / "here", mounts)


def test_without_the_kernels_list_nothing_is_local(tmp_path: Path) -> None:
    assert not is_local(tmp_path, tmp_path / "missing")
