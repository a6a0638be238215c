"""Atomic writes: the old file or the new one, whatever happens, and never anything beyond the root."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from holdfast.errors import ConfigurationError, UnsafePath
from holdfast.safe import writing
from holdfast.safe.paths import Root, WritePath
from holdfast.safe.sandbox import Sandbox

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no directory descriptors on Windows")


@pytest.fixture(params=["openat2", "walker"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Root]:
    place = tmp_path / "workspace"
    place.mkdir()
    try:
        root = Root(place, resolver=request.param, max_write=1 << 20)
    except ConfigurationError:
        pytest.skip("openat2 is not available here")
    yield root
    root.close()


def code_of(work: Callable[[], object]) -> str:
    with pytest.raises(UnsafePath) as caught:
        work()
    return caught.value.code


def names(root: Root) -> list[str]:
    return sorted(os.listdir(root.path))


async def test_a_new_file_is_written_whole_and_says_how_many_bytes(root: Root) -> None:
    assert await root.write("a.txt").write_text("grüße") == 7
    assert await root.write("b.bin").write_bytes(b"\0\xff") == 2
    assert (root.path / "a.txt").read_text() == "grüße"
    assert (root.path / "b.bin").read_bytes() == b"\0\xff"
    assert await root.write("a.txt").exists()
    assert not await root.write("none").exists()
    assert not await root.write("none/none").exists()
    assert root.write("a.txt").reader().read_text_sync() == "grüße"
    assert names(root) == ["a.txt", "b.bin"]


def test_a_new_file_has_the_mode_that_the_umask_leaves(root: Root) -> None:
    old = os.umask(0o027)
    try:
        root.write("new").write_text_sync("x")
    finally:
        os.umask(old)
    assert stat.S_IMODE((root.path / "new").stat().st_mode) == 0o640


def test_an_old_files_mode_bits_are_kept_but_never_set_user_id(root: Root) -> None:
    file = root.path / "script"
    file.write_text("old")
    for mode, kept in ((0o750, 0o750), (0o604, 0o604), (0o4755, 0o755)):
        file.chmod(mode)
        root.write("script").write_text_sync("new")
        assert stat.S_IMODE(file.stat().st_mode) == kept
    assert file.read_text() == "new"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give files away")
def test_an_old_files_owner_is_kept_where_permitted(root: Root) -> None:
    file = root.path / "theirs"
    file.write_text("old")
    os.chown(file, 12345, 12346)
    root.write("theirs").write_text_sync("new")
    assert (file.stat().st_uid, file.stat().st_gid) == (12345, 12346)


def test_an_open_reader_keeps_the_old_content(root: Root) -> None:
    root.write("f").write_text_sync("old")
    with root.read("f").open_sync() as opened:
        root.write("f").write_text_sync("new")
        assert opened.read_bytes_sync() == b"old"
    assert root.read("f").read_text_sync() == "new"


def test_nothing_but_a_plain_file_is_replaced(root: Root) -> None:
    outside = root.path.parent / "outside"
    outside.write_text("keep")
    (root.path / "link").symlink_to(outside)
    (root.path / "dir").mkdir()
    os.link(outside, root.path / "hard")
    os.mkfifo(root.path / "fifo")
    expected = {"link": "path.symlink", "dir": "path.not_regular", "hard": "path.hard_link", "fifo": "path.not_regular"}
    for name, code in expected.items():
        target = root.write(name)
        assert code_of(lambda target=target: target.write_text_sync("x")) == code
        assert code_of(lambda target=target: target.write_text_sync("x", backups=2)) == code
        assert code_of(target.exists_sync) == code
    assert outside.read_text() == "keep"
    assert names(root) == sorted(expected)


def test_the_root_itself_is_no_file(root: Root) -> None:
    assert code_of(lambda: root.write(".")) == "path.not_regular"
    assert code_of(lambda: writing.write_atomically(root, (), b"")) == "path.not_regular"
    assert code_of(lambda: writing.exists(root, ())) == "path.not_regular"


def test_a_read_only_root_refuses_when_the_argument_is_validated_and_again_when_written(tmp_path: Path) -> None:
    root = Root(tmp_path, read_only=True)
    assert code_of(lambda: root.write("a")) == "path.read_only"
    assert code_of(lambda: WritePath.from_text("a", Sandbox(workspace=root))) == "path.read_only"
    assert code_of(lambda: writing.write_atomically(root, ("a",), b"x")) == "path.read_only"
    assert os.listdir(tmp_path) == []


def test_content_over_the_cap_is_refused_before_anything_is_touched(root: Root) -> None:
    root.write("f").write_text_sync("old")
    assert code_of(lambda: root.write("f").write_bytes_sync(b"x" * ((1 << 20) + 1))) == "path.too_large"
    assert root.write("f").write_bytes_sync(b"x" * (1 << 20)) == 1 << 20
    assert names(root) == ["f"]


def test_text_that_has_no_utf8_is_refused(root: Root) -> None:
    assert code_of(lambda: root.write("f").write_text_sync("\ud800")) == "path.not_text"
    assert names(root) == []


def test_parents_are_made_only_when_asked(root: Root) -> None:
    target = root.write("a/b/c.txt")
    assert code_of(lambda: target.write_text_sync("x")) == "path.not_found"
    assert names(root) == []
    target.write_text_sync("x", make_parents=True)
    target.write_text_sync("y", make_parents=True)
    assert (root.path / "a/b/c.txt").read_text() == "y"


def test_parents_are_never_made_through_a_link_or_a_file(root: Root) -> None:
    (root.path / "out").symlink_to(root.path.parent)
    (root.path / "file").write_text("x")
    assert code_of(lambda: root.write("out/a/b").write_text_sync("x", make_parents=True)) == "path.symlink"
    assert code_of(lambda: root.write("file/a/b").write_text_sync("x", make_parents=True)) == "path.not_directory"
    assert os.listdir(root.path.parent) == ["workspace"]


@pytest.mark.parametrize("backups", [0, 1])
def test_the_content_is_on_the_disk_before_its_name_is_and_the_name_before_the_answer(
    root: Root, monkeypatch: pytest.MonkeyPatch, backups: int
) -> None:
    """What a crash of the machine would leave cannot be tried here; the order of the three steps can."""
    (root.path / "f").write_text("old")
    done: list[tuple[str, int]] = []
    fsync, rename = os.fsync, os.rename

    def syncing(fd: int) -> None:
        done.append(("sync", os.fstat(fd).st_ino))
        fsync(fd)

    def renaming(old: str, new: str, *, src_dir_fd: int, dst_dir_fd: int) -> None:
        done.append(("rename", os.stat(old, dir_fd=src_dir_fd, follow_symlinks=False).st_ino))
        rename(old, new, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)

    monkeypatch.setattr(writing.os, "fsync", syncing)
    monkeypatch.setattr(writing.os, "rename", renaming)
    root.write("f").write_text_sync("new", backups=backups)
    made, top = (root.path / "f").stat().st_ino, root.path.stat().st_ino
    assert [step for step in done if step[1] in (made, top)] == [("sync", made), ("rename", made), ("sync", top)]
    if backups:
        kept = (root.path / ".f.~1~").stat().st_ino
        assert [step for step in done if step[1] == kept] == [("sync", kept), ("rename", kept)]


def test_a_new_directory_is_on_the_disk_before_something_is_written_beneath_it(
    root: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(writing.os, "fsync", lambda fd: synced.append(os.fstat(fd).st_ino))
    root.write("a/b/f").write_text_sync("x", make_parents=True)
    places = [root.path, root.path / "a", root.path / "a/b/f", root.path / "a/b"]
    assert synced == [place.stat().st_ino for place in places]


def test_nobody_else_reads_the_new_content_of_a_private_file_before_it_has_its_mode(
    root: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root.path / "f").write_text("old")
    (root.path / "f").chmod(0o640)
    modes: list[int] = []

    def seen(fd: int, data: bytes) -> None:
        modes.append(stat.S_IMODE(os.fstat(fd).st_mode))
        write_all(fd, data)

    write_all = writing.write_all
    monkeypatch.setattr(writing, "write_all", seen)
    old = os.umask(0)
    try:
        root.write("f").write_text_sync("new", backups=1)
    finally:
        os.umask(old)
    assert modes == [0o600, 0o600]


def test_what_the_rules_hide_is_not_replaced_under_a_second_name(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where a file system takes two spellings for one name; test_identity has it with real mounts."""
    (root.path / ".env").write_text("secret")
    facts = (root.path / ".env").stat()
    monkeypatch.setattr(writing, "existing", lambda parent, name: facts)
    for backups in (0, 1):
        assert code_of(lambda backups=backups: root.write("env").write_text_sync("x", backups=backups)) == "path.hidden"
    assert names(root) == [".env"]


def test_a_link_that_is_swapped_in_after_the_look_is_not_copied_to_a_backup(
    root: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside = root.path.parent / "outside"
    outside.write_text("secret")
    (root.path / "f").write_text("old")
    facts = (root.path / "f").stat()
    (root.path / "f").unlink()
    os.link(outside, root.path / "f")
    monkeypatch.setattr(writing, "existing", lambda parent, name: facts)
    assert code_of(lambda: root.write("f").write_text_sync("x", backups=1)) == "path.hard_link"
    assert names(root) == ["f"]


# -- backups ----------------------------------------------------------------------------------------------------------


async def test_backups_keep_so_many_former_versions_out_of_the_callers_sight(root: Root) -> None:
    target = root.write("f.txt")
    for version in range(5):
        await target.write_text(str(version), backups=2)
    kept = {name: (root.path / name).read_text() for name in names(root)}
    assert kept == {"f.txt": "4", ".f.txt.~1~": "3", ".f.txt.~2~": "2"}
    assert [entry.name for entry in root.dir().list_sync()] == ["f.txt"]
    assert code_of(lambda: root.write(".f.txt.~1~")) == "path.hidden"


def test_a_backup_keeps_the_mode_of_what_it_copies(root: Root) -> None:
    root.write("f").write_text_sync("old")
    (root.path / "f").chmod(0o600)
    root.write("f").write_text_sync("new", backups=1)
    assert stat.S_IMODE((root.path / ".f.~1~").stat().st_mode) == 0o600


def test_a_backup_that_cannot_be_kept_leaves_everything_as_it_was(root: Root) -> None:
    (root.path / "big").write_bytes(b"x" * ((1 << 20) + 1))
    assert code_of(lambda: root.write("big").write_text_sync("new", backups=1)) == "path.too_large"
    (root.path / "f").write_text("old")
    (root.path / ".f.~1~").mkdir()
    assert code_of(lambda: root.write("f").write_text_sync("new", backups=1)) == "path.not_regular"
    long = "n" * 251
    root.write(long).write_text_sync("old", backups=1)
    with pytest.raises(UnsafePath, match="too long to keep backups") as caught:
        root.write(long).write_text_sync("new", backups=1)
    assert caught.value.code == "path.name"
    assert (root.path / "f").read_text() == "old"
    assert (root.path / long).read_text() == "old"
    assert names(root) == sorted(["big", "f", ".f.~1~", long])


def test_a_name_that_would_be_too_long_for_the_last_backup_is_refused_at_the_first(root: Root) -> None:
    long = "n" * 250
    root.write(long).write_text_sync("old")
    root.write(long).write_text_sync("older", backups=9)
    assert code_of(lambda: root.write(long).write_text_sync("new", backups=10)) == "path.name"
    assert names(root) == [f".{long}.~1~", long]


def test_the_most_backups_are_taken(root: Root) -> None:
    root.write("f").write_text_sync("old")
    root.write("f").write_text_sync("new", backups=writing.MAX_BACKUPS)
    assert names(root) == [".f.~1~", "f"]


@pytest.mark.parametrize("backups", [-1, 100])
def test_a_senseless_number_of_backups_is_the_authors_mistake(root: Root, backups: int) -> None:
    with pytest.raises(ValueError, match="0 to 99"):
        root.write("f").write_text_sync("x", backups=backups)


# -- when it goes wrong -----------------------------------------------------------------------------------------------


def test_a_failed_rename_removes_the_temporary_file(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    root.write("f").write_text_sync("old")

    def broken(*_: object, **__: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(writing.os, "rename", broken)
    with pytest.raises(OSError, match="Input/output"):  # not the caller's to mend: no refusal
        root.write("f").write_text_sync("new")
    monkeypatch.undo()
    assert root.read("f").read_text_sync() == "old"
    assert names(root) == ["f"]


def test_a_temporary_name_that_is_taken_is_never_written_through(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names are random; should one be guessed all the same, O_EXCL refuses a planted file or link."""
    monkeypatch.setattr(writing.secrets, "token_hex", lambda count: "0" * 2 * count)
    planted = root.path / f".holdfast-{'0' * 16}.tmp"
    planted.write_text("planted")
    with pytest.raises(FileExistsError):
        root.write("f").write_text_sync("new")
    assert planted.read_text() == "planted"
    assert not (root.path / "f").exists()


def test_an_owner_that_may_not_be_kept_is_no_failure(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    root.write("f").write_text_sync("old")
    old = (root.path / "f").stat()
    theirs = os.stat_result([*old[:4], old.st_uid + 1, *old[5:]])
    monkeypatch.setattr(writing, "existing", lambda parent, name: theirs)

    def forbidden(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(writing.os, "fchown", forbidden)
    assert root.write("f").write_text_sync("new") == 3


ENV = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
UNMEASURED = {name: value for name, value in ENV.items() if not name.startswith("COVERAGE")}
"""For a child that is killed: it would leave a torn file of measurements."""

DISK_FULL = """
import resource, sys
from holdfast.errors import UnsafePath
from holdfast.safe.paths import Root
root = Root(sys.argv[1])
if sys.argv[2] == "limit":
    resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))
def appending(data): root.write("f").append_text_sync(data.decode())
def with_backups(data): root.write("f").write_bytes_sync(data, backups=3)
for work in (root.write("f").write_bytes_sync, root.write("new").write_bytes_sync, appending, with_backups):
    try:
        work(b"n" * 1_000_000)
    except UnsafePath as refusal:
        print(refusal.code, root.read("f").read_text_sync())
import os
print(sorted(os.listdir(sys.argv[1])))
"""
WANTED = ["path.disk_full old"] * 4 + ["['f']"]


def test_a_file_size_limit_leaves_the_old_file_whole(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("old")
    argv = [sys.executable, "-c", DISK_FULL, str(tmp_path), "limit"]
    done = subprocess.run(argv, env=UNMEASURED, capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines() == WANTED, done.stderr


def test_a_full_disk_leaves_the_old_file_whole(tmp_path: Path) -> None:
    """A real tmpfs of 256 KiB, in a mount namespace of its own."""
    unshare = shutil.which("unshare")
    probe = [unshare, "-rm", "mount", "-t", "tmpfs", "-o", "size=256k", "none", str(tmp_path)]
    if unshare is None or subprocess.run(probe, capture_output=True, timeout=60).returncode != 0:
        pytest.skip("no mount namespaces here")
    shell = 'mount -t tmpfs -o size=256k none "$1" && printf old > "$1/f" && exec "$2" -c "$3" "$1" disk'
    argv = [unshare, "-rm", "sh", "-c", shell, "sh", str(tmp_path), sys.executable, DISK_FULL]
    done = subprocess.run(argv, env=ENV, capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines() == WANTED, done.stderr


KILLED = """
import sys
from holdfast.safe.paths import Root
target = Root(sys.argv[1]).write("f")
version = int(sys.argv[2])
while True:
    version += 1
    target.write_bytes_sync(b"%d|" % (version % 10) * 400_000, backups=version % 2)
    print(version, flush=True)
"""


def test_a_kill_in_the_middle_of_a_write_leaves_the_old_or_the_new_file_never_a_torn_one(tmp_path: Path) -> None:
    acknowledged = 0
    for _ in range(20):
        argv = [sys.executable, "-c", KILLED, str(tmp_path), str(acknowledged)]
        with subprocess.Popen(argv, env=UNMEASURED, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            for _ in range(3):
                acknowledged = int(writer.stdout.readline())
            writer.kill()
            rest = writer.stdout.read().split("\n")
        acknowledged = max([acknowledged, *map(int, filter(None, rest))])
        content = (tmp_path / "f").read_bytes()
        assert content in {b"%d|" % (version % 10) * 400_000 for version in (acknowledged, acknowledged + 1)}
    root = Root(tmp_path)
    left = [name for name in os.listdir(tmp_path) if name.startswith(".holdfast-")]
    assert root.sweep_sync(older_than=-60) == len(left)
    assert set(os.listdir(tmp_path)) <= {"f", ".f.~1~"}


def test_concurrent_writers_leave_one_of_their_versions(root: Root) -> None:
    versions = [bytes([65 + number]) * 100_000 for number in range(8)]
    root.write("f").write_bytes_sync(versions[0])
    start = threading.Barrier(8)

    def write(data: bytes) -> None:
        start.wait()
        for _ in range(5):
            root.write("f").write_bytes_sync(data)

    threads = [threading.Thread(target=write, args=(data,)) for data in versions]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert root.read("f").read_bytes_sync() in versions
    for thread in threads:
        thread.join()
    assert root.read("f").read_bytes_sync() in versions
    assert names(root) == ["f"]


def test_writes_leak_no_descriptor(root: Root) -> None:
    where = "/proc/self/fd" if os.path.isdir("/proc/self/fd") else "/dev/fd"
    (root.path / "link").symlink_to("f")
    before = len(os.listdir(where))
    for _ in range(20):
        for text in ("f", "a/b", "link", "f/x", "none/x"):
            for keywords in ({}, {"backups": 2}, {"make_parents": True}):
                try:
                    root.write(text).write_text_sync("x", **keywords)
                    root.write(text).append_text_sync("y")
                except UnsafePath:
                    continue
    assert len(os.listdir(where)) == before
