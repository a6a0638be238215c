"""What is denied stays denied under a second name: real bind mounts, both resolvers, every way in."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from holdfast.errors import UnsafePath
from holdfast.safe import identity
from holdfast.safe.identity import SETTLED, Denied
from holdfast.safe.names import Deny
from holdfast.safe.paths import Root

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no directory descriptors on Windows")

ENV = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


def in_namespace(place: Path, script: str, *argv: str) -> list[str]:
    """Run ``script`` in a mount namespace of its own, where it may mount what it likes."""
    command = ["unshare", "-rm", sys.executable, "-c", script, str(place), *argv]
    try:
        probe = subprocess.run(["unshare", "-rm", "true"], capture_output=True, timeout=60).returncode
    except FileNotFoundError:
        probe = 1
    if probe != 0:
        pytest.skip("no mount namespaces here")
    done = subprocess.run(command, env=ENV, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


BOUND = """
import os, subprocess, sys
from holdfast.errors import UnsafePath
from holdfast.safe.paths import Root
place = sys.argv[1]
def bind(what, onto):
    subprocess.run(["mount", "--bind", os.path.join(place, what), os.path.join(place, onto)], check=True)
bind(".git", "pub"); bind(".env", "env"); bind("team/private", "deep/er"); bind("open", "other")
root = Root(place, resolver=sys.argv[2], deny=[".*", "team/private"])
def code(work):
    try:
        work()
    except UnsafePath as refusal:
        return refusal.code
    return "passed"
for text in ("pub/config", "pub/hooks/x", "env", "deep/er/plan", "other/shown"):
    print(text, code(root.read(text).read_text_sync), code(root.read(text).stat_sync),
        code(lambda: root.write(text).write_text_sync("x")), code(lambda: root.write(text).append_text_sync("x")),
        code(root.write(text).remove_sync))
for text in ("pub", "pub/hooks", "deep/er", "other"):
    print(text, code(root.dir(text).list_sync), code(root.dir(text).open_fd_sync), code(root.dir(text).walk_sync))
print([entry.name for entry in root.dir().list_sync()], [entry.name for entry in root.dir("deep").list_sync()])
print([path.text for path in root.dir().walk_sync()])
"""


@pytest.mark.parametrize("resolver", ["auto", "walker"])
def test_a_denied_directory_bound_to_another_name_is_still_denied(tmp_path: Path, resolver: str) -> None:
    for name in (".git/hooks/x", ".git/config", "team/private/plan", "open/shown", ".env", "env"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("secret")
    for name in ("pub", "deep/er", "other"):
        (tmp_path / name).mkdir(parents=True)
    lines = in_namespace(tmp_path, BOUND, resolver)
    for line in lines[:4]:
        assert set(line.split()[1:]) == {"path.hidden"}, line
    assert lines[4].split() == ["other/shown", *["passed"] * 5]
    for line in lines[5:8]:
        assert set(line.split()[1:]) == {"path.hidden"}, line
    assert lines[8] == "other passed passed passed"
    assert lines[9] == "['deep', 'open', 'other', 'team'] []"
    assert lines[10] == "[]"
    assert (tmp_path / ".git" / "config").read_text() == "secret"


MOUNTED = """
import os, subprocess, sys
from holdfast.errors import UnsafePath
from holdfast.safe.paths import Root
place = sys.argv[1]
os.mkdir(place + "/same"); os.mkdir(place + "/tmpfs"); os.mkdir(place + "/plain")
subprocess.run(["mount", "--bind", place + "/plain", place + "/same"], check=True)
subprocess.run(["mount", "-t", "tmpfs", "none", place + "/tmpfs"], check=True)
for folder in ("plain", "tmpfs"):
    open(os.path.join(place, folder, "f"), "w").write("x")
for one in (True, False):
    root = Root(place, resolver=sys.argv[2], one_mount=one)
    for text in ("plain/f", "same/f", "tmpfs/f"):
        try:
            print(text, root.read(text).read_text_sync())
        except UnsafePath as refusal:
            print(text, refusal.code)
    print([entry.name for entry in root.dir().list_sync()], [path.text for path in root.dir().walk_sync()])
"""


@pytest.mark.parametrize("resolver", ["auto", "walker"])
def test_a_root_of_one_mount_neither_opens_nor_lists_what_is_mounted_beneath(tmp_path: Path, resolver: str) -> None:
    lines = in_namespace(tmp_path, MOUNTED, resolver)
    assert lines[:4] == ["plain/f x", "same/f path.outside", "tmpfs/f path.outside", "['plain'] ['plain/f']"]
    assert lines[4:7] == ["plain/f x", "same/f x", "tmpfs/f x"]
    assert lines[7] == "['plain', 'same', 'tmpfs'] ['plain/f', 'same/f', 'tmpfs/f']"


def code_of(work: Callable[[], object]) -> str:
    with pytest.raises(UnsafePath) as caught:
        work()
    return caught.value.code


class Wall:
    """Seconds since the epoch, in nanoseconds, as far ahead of the disk's as a test wants."""

    def __init__(self, base: Path) -> None:
        self.now = base.stat().st_mtime_ns

    def __call__(self) -> int:
        return self.now


def test_what_is_denied_is_looked_up_again_once_the_directory_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[int] = []
    really = identity._hidden_entries
    monkeypatch.setattr(identity, "_hidden_entries", lambda root, deny: looks.append(1) or really(root, deny))
    (tmp_path / ".git").mkdir()
    wall = Wall(tmp_path)
    denied = Denied(Deny(), wall)
    root = os.open(tmp_path, os.O_RDONLY)
    first = denied.within(root)
    assert first == {identity.identity((tmp_path / ".git").stat())}
    denied.within(root)
    assert len(looks) == 2  # changed a moment ago: a further change might not show
    wall.now += SETTLED + 1
    for _ in range(3):
        assert denied.within(root) == first
    assert len(looks) == 3
    (tmp_path / ".env").touch()
    os.utime(tmp_path, ns=(wall.now, wall.now))
    assert len(denied.within(root)) == 2
    assert len(looks) == 4
    os.close(root)


def test_paths_that_are_denied_by_name_are_looked_up_each_time(tmp_path: Path) -> None:
    (tmp_path / "team").mkdir()
    denied = Denied(Deny(["team/private", "x/*"]))
    root = os.open(tmp_path, os.O_RDONLY)
    assert denied.within(root) == frozenset()
    (tmp_path / "team" / "private").mkdir()
    assert denied.within(root) == {identity.identity((tmp_path / "team" / "private").stat())}
    os.close(root)


def test_only_so_many_entries_are_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(10):
        (tmp_path / f".hidden{number}").touch()
    monkeypatch.setattr(identity, "MAX_DENIED", 4)
    root = os.open(tmp_path, os.O_RDONLY)
    assert len(Denied(Deny()).within(root)) == 4
    monkeypatch.setattr(identity, "MAX_SCAN", 2)
    assert len(Denied(Deny()).within(root)) == 2
    os.close(root)


def test_our_own_temporary_files_are_no_identities_since_they_become_what_was_written(tmp_path: Path) -> None:
    (tmp_path / ".holdfast-0123456789abcdef.tmp").touch()
    root = os.open(tmp_path, os.O_RDONLY)
    assert Denied(Deny()).within(root) == frozenset()
    os.close(root)


def test_what_is_denied_is_refused_by_what_it_is_and_so_is_what_lies_beneath_it(tmp_path: Path) -> None:
    """A hard link is a second name of a file; for a directory, its own stands in for one (real ones: above)."""
    (tmp_path / ".git" / "hooks").mkdir(parents=True)
    for name in (".env", ".git/config", ".git/hooks/x", "shown"):
        (tmp_path / name).write_text("x")
    os.link(tmp_path / ".env", tmp_path / "env")
    root = os.open(tmp_path, os.O_RDONLY)
    for text in ("env", ".git", ".git/config", ".git/hooks/x", "shown"):
        opened = os.open(tmp_path / text, os.O_RDONLY)
        if text == "shown":
            Denied(Deny()).check(root, (text,), opened)
        else:
            assert code_of(lambda: Denied(Deny()).check(root, text.split("/"), opened)) == "path.hidden"  # noqa: B023 - called at once
        os.close(opened)
    os.close(root)


def test_a_directory_that_vanished_after_the_open_is_no_error(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "f").write_text("x")
    root = os.open(tmp_path, os.O_RDONLY)
    opened = os.open(tmp_path / "a" / "f", os.O_RDONLY)
    (tmp_path / "a").rename(tmp_path / "b")
    Denied(Deny()).check(root, ("a", "f"), opened)
    for fd in (opened, root):
        os.close(fd)


def test_a_root_that_was_replaced_is_not_reopened_by_another_process(tmp_path: Path) -> None:
    import pickle

    from holdfast.errors import ConfigurationError

    (tmp_path / "place").mkdir()
    root = Root(tmp_path / "place", resolver="walker", one_mount=True)
    again = pickle.loads(pickle.dumps(root))  # noqa: S301 - our own bytes
    assert (again.identity, again.one_mount) == (root.identity, True)
    sent = pickle.dumps(root)
    (tmp_path / "place").rename(tmp_path / "was")
    (tmp_path / "place").mkdir()
    with pytest.raises(ConfigurationError, match="replaced"):
        pickle.loads(sent)  # noqa: S301 - our own bytes


@pytest.mark.parametrize("changed", [0, 1_700_000_000_000_000_000])
def test_what_was_seen_is_remembered_once_the_directory_was_left_alone_for_longer_than_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: int
) -> None:
    looks: list[int] = []
    really = identity._hidden_entries
    monkeypatch.setattr(identity, "_hidden_entries", lambda root, deny: looks.append(1) or really(root, deny))
    os.utime(tmp_path, ns=(changed, changed))
    wall = Wall(tmp_path)
    denied = Denied(Deny(), wall)
    root = os.open(tmp_path, os.O_RDONLY)
    for ahead, expected in ((SETTLED, 2), (SETTLED + 1, 3)):
        wall.now = changed + ahead
        for _ in range(2):
            denied.within(root)
        assert len(looks) == expected
    os.close(root)
