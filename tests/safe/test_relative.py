"""What makes two paths equal, and what a path takes with it to another process."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

import pytest

from holdfast.errors import UnsafePath
from holdfast.safe.paths import DirPath, ReadPath, Root, WritePath
from holdfast.safe.sandbox import Sandbox

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no directory descriptors on Windows")


def test_paths_are_equal_by_type_text_and_root(tmp_path: Path) -> None:
    one, other = Root(tmp_path, name="one"), Root(tmp_path, name="other")
    assert one.read("a") == one.read("./a")
    assert one.read("a") != one.read("b")
    assert one.read("a") != other.read("a")
    assert one.read("a") != ReadPath.from_text("a", None)
    assert ReadPath.from_text("a", None) == ReadPath.from_text("a", Sandbox())
    assert one.read("a") != one.write("a")
    assert one.read("a") != "a"


@pytest.mark.parametrize("kind", [ReadPath, WritePath, DirPath])
def test_a_path_travels_with_its_root_or_without_one(kind: type[ReadPath], tmp_path: Path) -> None:
    for sandbox in (None, Sandbox(), Sandbox(workspace=Root(tmp_path))):
        path = kind.from_text("a/b", sandbox)
        twin = pickle.loads(pickle.dumps(path))  # noqa: S301 - made right here
        assert (twin, twin.text, twin.name) == (path, "a/b", "b")


def test_a_file_is_never_the_root_itself() -> None:
    for kind in (ReadPath, WritePath):
        with pytest.raises(UnsafePath) as caught:
            kind.from_text("a/..", None)
        assert caught.value.code == "path.not_regular"
    assert DirPath.from_text("a/..", None).text == "."


@pytest.mark.parametrize("name, suffix", [("a.b.txt", ".txt"), ("a", ""), (".hidden", ""), ("d.x/plain", "")])
def test_the_suffix_is_that_of_pathlib(name: str, suffix: str, tmp_path: Path) -> None:
    assert Root(tmp_path, deny=[]).read(name).suffix == suffix
