"""A file to read: what bounds it has when it is an archive."""

from __future__ import annotations

import io
import sys
import zipfile
from pathlib import Path

import pytest

from holdfast.errors import UnsafePath
from holdfast.safe.archives import ArchiveLimits
from holdfast.safe.paths import Root

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no directory descriptors on Windows")


def zipped(names: int) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        for number in range(names):
            made.writestr(f"f{number}", "content")
    return out.getvalue()


def root_with(tmp_path: Path, data: bytes, max_read: int) -> Root:
    (tmp_path / "in").mkdir(parents=True)
    (tmp_path / "archive").write_bytes(data)
    return Root(tmp_path, max_read=max_read)


@pytest.mark.parametrize("spare, taken", [(0, True), (-1, False)])
def test_an_archive_is_taken_up_to_the_bytes_that_may_be_read(tmp_path: Path, spare: int, taken: bool) -> None:
    data = zipped(3)
    root = root_with(tmp_path, data, len(data) + spare)
    if taken:
        assert len(root.read("archive").extract_sync(root.dir("in")).files) == 3
        return
    with pytest.raises(UnsafePath) as caught:
        root.read("archive").extract_sync(root.dir("in"))
    assert caught.value.code == "path.too_large"
    assert f"the file is larger than {len(data) - 1} bytes" in caught.value.message


async def test_the_limits_given_are_those_that_hold(tmp_path: Path) -> None:
    root = root_with(tmp_path, zipped(3), 1 << 20)
    archive, into = root.read("archive"), root.dir("in")
    with pytest.raises(UnsafePath):
        archive.extract_sync(into, ArchiveLimits(members=2))
    with pytest.raises(UnsafePath):
        await archive.extract(into, ArchiveLimits(members=2))
    assert len((await archive.extract(into, ArchiveLimits(members=3))).files) == 3
