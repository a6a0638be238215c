"""Both resolvers alike: beneath the root, through no link, also while links are being swapped in."""

from __future__ import annotations

import ctypes
import errno
import logging
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from holdfast.errors import ConfigurationError
from holdfast.safe import resolve
from holdfast.safe.resolve import READ, READ_DIRECTORY, OpenAt2, Resolver, Walker, choose, require_plain

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no directory descriptors on Windows")


@pytest.fixture(params=["openat2", "walker"])
def resolver(request: pytest.FixtureRequest, root: int) -> Resolver:
    if request.param == "openat2" and not (sys.platform == "linux" and OpenAt2().works(root)):
        pytest.skip("openat2 is not available here")
    return choose(request.param, root)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_text("secret")
    place = tmp_path / "root"
    (place / "a" / "b").mkdir(parents=True)
    (place / "a" / "b" / "file").write_text("inside")
    return place


@pytest.fixture
def root(place: Path) -> Iterator[int]:
    fd = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
    yield fd
    os.close(fd)


def content(fd: int) -> str:
    try:
        return os.read(fd, 100).decode()
    finally:
        os.close(fd)


def errno_of(resolver: Resolver, root: int, *parts: str, flags: int = READ) -> int:
    before = os.listdir("/proc/self/fd") if os.path.isdir("/proc/self/fd") else []
    with pytest.raises(OSError) as caught:  # noqa: PT011 - the errno is what is asserted on
        resolver.open(root, parts, flags)
    if before:
        assert len(os.listdir("/proc/self/fd")) == len(before)
    return caught.value.errno or 0


def test_a_file_beneath_the_root_opens(resolver: Resolver, root: int) -> None:
    assert content(resolver.open(root, ("a", "b", "file"), READ)) == "inside"
    fd = resolver.open(root, ("a",), READ_DIRECTORY)
    assert os.listdir(fd) == ["b"]
    os.close(fd)


def test_no_parts_mean_the_root_itself_by_a_descriptor_of_its_own(resolver: Resolver, root: int) -> None:
    fd = resolver.open(root, (), READ_DIRECTORY)
    assert fd != root
    assert os.path.sameopenfile(fd, root)
    os.close(fd)


def test_opened_descriptors_are_not_inherited(resolver: Resolver, root: int) -> None:
    fd = resolver.open(root, ("a", "b", "file"), READ)
    assert not os.get_inheritable(fd)
    os.close(fd)


@pytest.mark.parametrize("where", ["outside", "inside", "nowhere", "magic"])
def test_a_symlink_is_refused_wherever_it_points(resolver: Resolver, root: int, place: Path, where: str) -> None:
    goal = {
        "outside": place.parent / "outside",
        "inside": Path("a"),
        "nowhere": Path("none"),
        "magic": Path("/proc/self/root"),
    }
    (place / "link").symlink_to(goal[where])
    (place / "a" / "link").symlink_to(goal[where] / "b" / "file")
    assert errno_of(resolver, root, "link") == errno.ELOOP
    assert errno_of(resolver, root, "link", flags=READ_DIRECTORY) == errno.ELOOP
    assert errno_of(resolver, root, "link", "b", "file") == errno.ELOOP
    assert errno_of(resolver, root, "a", "link") == errno.ELOOP


def test_missing_files_and_files_as_directories_are_told_apart(resolver: Resolver, root: int) -> None:
    assert errno_of(resolver, root, "none") == errno.ENOENT
    assert errno_of(resolver, root, "none", "x") == errno.ENOENT
    assert errno_of(resolver, root, "a", "b", "file", "x") == errno.ENOTDIR
    assert errno_of(resolver, root, "a", "b", "file", flags=READ_DIRECTORY) == errno.ENOTDIR


def test_a_fifo_without_a_writer_does_not_hang(resolver: Resolver, root: int, place: Path) -> None:
    os.mkfifo(place / "fifo")
    os.close(resolver.open(root, ("fifo",), READ))


def test_a_socket_cannot_be_opened(resolver: Resolver, root: int, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("s")
    assert errno_of(resolver, root, "s") == errno.ENXIO


@pytest.mark.parametrize("part", ["", ".", "..", "a/b", "a\0x", "/etc"])
def test_parts_that_are_not_plain_names_never_reach_the_kernel(resolver: Resolver, root: int, part: str) -> None:
    """[measured] ctypes ends the path at a NUL: ``file\\0.txt`` would open ``file``."""
    assert errno_of(resolver, root, "a", part) == errno.EINVAL
    with pytest.raises(OSError, match="plain"):
        require_plain((part,))


def test_auto_takes_openat2_where_it_is(root: int, caplog: pytest.LogCaptureFixture) -> None:
    if not OpenAt2().works(root):
        pytest.skip("openat2 is not available here")
    assert choose("auto", root).name == "openat2"
    assert not caplog.records


def test_a_missing_openat2_is_logged_and_replaced_or_an_error_when_demanded(
    root: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(OpenAt2, "works", lambda self, root: False)
    with caplog.at_level(logging.WARNING, "holdfast.safe"):
        assert choose("auto", root).name == "walker"
    assert "openat2 is not available" in caplog.text
    with pytest.raises(ConfigurationError, match="openat2"):
        choose("openat2", root)


def test_an_unknown_resolver_is_a_configuration_error(root: int) -> None:
    with pytest.raises(ConfigurationError):
        choose("other", root)  # type: ignore[arg-type]


def test_a_system_other_than_linux_walks(root: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolve.sys, "platform", "darwin")
    assert choose("auto", root).name == "walker"


def test_a_resolution_that_raced_with_a_rename_is_tried_again_a_bounded_number_of_times(root: int) -> None:
    kernel = OpenAt2()
    calls: list[int] = []

    def busy(*_: object) -> int:
        calls.append(1)
        ctypes.set_errno(errno.EAGAIN)
        return -1

    kernel._call = busy  # type: ignore[assignment]  # a kernel that always raced
    assert not kernel.works(root)
    assert 1 < len(calls) < 100


def test_another_errno_is_final_at_the_first_try(root: int) -> None:
    kernel, calls = OpenAt2(), []

    def missing(*_: object) -> int:
        calls.append(1)
        ctypes.set_errno(errno.ENOENT)
        return -1

    kernel._call = missing  # type: ignore[assignment]  # a kernel that finds nothing
    assert errno_of(kernel, root, "a") == errno.ENOENT
    assert len(calls) == 1


def test_openat2_works_where_the_kernel_has_it(root: int) -> None:
    """By itself: the tests above leave it out where ``works`` says no."""
    try:
        os.close(OpenAt2().open(root, ("a",), READ_DIRECTORY))
    except OSError as error:
        if error.errno in (errno.ENOSYS, errno.EPERM):
            pytest.skip("openat2 is not available here")
        raise
    assert OpenAt2().works(root)
    assert choose("openat2", root).name == "openat2"


def test_a_descriptor_may_be_zero(resolver: Resolver, root: int) -> None:
    """A server whose standard input was closed; a descriptor that is taken for a failure would stay open."""
    kept = os.dup(0)
    os.close(0)
    try:
        assert resolver.open(root, ("a",), READ_DIRECTORY) == 0
    finally:
        os.dup2(kept, 0)
        os.close(kept)


@pytest.mark.skipif(not os.path.ismount("/proc"), reason="no mount that every system has")
def test_a_root_of_one_mount_says_nothing_of_what_is_mounted_beneath(resolver: Resolver) -> None:
    root = os.open("/", os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.close(resolver.open(root, ("proc", "version"), READ))
        confined = choose(resolver.name, root, one_mount=True)
        for parts in (("proc",), ("proc", "version"), ("proc", "none"), ("proc", "sys", "none")):
            assert errno_of(confined, root, *parts) == errno.EXDEV
        assert errno_of(confined, root, "proc", flags=READ_DIRECTORY) == errno.EXDEV
        os.close(confined.open(root, (), READ_DIRECTORY))
    finally:
        os.close(root)


def test_mounts_are_told_apart_by_the_kernels_number_and_elsewhere_by_their_device(
    root: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if os.path.isdir("/proc/self/fdinfo"):
        assert resolve._mount_of(root).startswith("mnt_id:")

    def absent(*_: object, **__: object) -> None:
        raise FileNotFoundError

    monkeypatch.setattr(resolve, "open", absent, raising=False)
    assert resolve._mount_of(root) == f"device {os.fstat(root).st_dev}"


def test_a_system_that_cannot_open_beneath_a_descriptor_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    assert resolve.supported()
    for module, name, value in ((os, "supports_dir_fd", set()), (resolve, "_NOFOLLOW", 0), (resolve, "_DIRECTORY", 0)):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, value)
            assert not resolve.supported()


ENV = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
UNMEASURED = {name: value for name, value in ENV.items() if not name.startswith("COVERAGE")}
"""For a child that is killed: it would leave a torn file of measurements."""

SECCOMP = """
import ctypes, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
code = [(0x20, 0, 0, 0), (0x15, 0, 1, 437), (0x06, 0, 0, 0x50000 | 38), (0x06, 0, 0, 0x7fff0000)]  # openat2: ENOSYS
program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in code))
filter = ctypes.create_string_buffer(struct.pack("HL", len(code), ctypes.addressof(program)))
if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, filter, 0, 0):
    sys.exit(77)
from holdfast.safe.paths import Root
root = Root(sys.argv[1])
print(root.resolver_name, root.read("a/b/file").read_text_sync())
"""


def test_a_seccomp_filter_without_openat2_falls_back_to_the_walker(place: Path) -> None:
    if sys.platform != "linux":
        pytest.skip("seccomp is Linux's")
    done = subprocess.run([sys.executable, "-c", SECCOMP, place], env=ENV, capture_output=True, text=True, timeout=60)
    if done.returncode == 77:
        pytest.skip("seccomp is not available here")
    assert done.stdout.split() == ["walker", "inside"]
    assert "openat2 is not available" in done.stderr


SWAPPER = """
import os, sys
os.chdir(sys.argv[1])
print("ready", flush=True)
while True:
    for name in ("swapdir", "swapfile"):
        os.rename(name, name + ".parked"); os.rename(name + ".link", name)
        os.rename(name, name + ".link"); os.rename(name + ".parked", name)
"""


@contextmanager
def swapping(place: Path) -> Iterator[None]:
    """``swapdir/file`` and ``swapfile`` change all the time between inside files and links to the outside secret."""
    outside = place.parent / "outside"
    (outside / "file").write_text("secret")
    (place / "swapdir").mkdir()
    (place / "swapdir" / "file").write_text("inside")
    (place / "swapfile").write_text("inside")
    (place / "swapdir.link").symlink_to(outside)
    (place / "swapfile.link").symlink_to(outside / "secret")
    swapper = subprocess.Popen([sys.executable, "-c", SWAPPER, place], env=UNMEASURED, stdout=subprocess.PIPE)
    try:
        assert swapper.stdout is not None
        assert swapper.stdout.readline() == b"ready\n"
        yield
    finally:
        swapper.kill()
        swapper.communicate()


TARGETS = (("swapdir", "file"), ("swapfile",))


def test_a_symlink_swapped_in_during_the_open_never_leaks(resolver: Resolver, root: int, place: Path) -> None:
    seen: dict[str, int] = {}
    limit = time.monotonic() + 20
    with swapping(place):
        tries = 0
        while tries < 2000 or (len(seen) < 2 and time.monotonic() < limit):
            tries += 1
            try:
                outcome = content(resolver.open(root, TARGETS[tries % 2], READ))
            except OSError as error:
                outcome = errno.errorcode[error.errno or 0]
            seen[outcome] = seen.get(outcome, 0) + 1
    assert "secret" not in seen
    assert set(seen) <= {"inside", "ELOOP", "ENOENT", "ENOTDIR"}
    assert seen["inside"] > 0
    assert len(seen) > 1  # it met the swapping


def test_the_race_is_real_since_a_check_of_the_real_path_before_the_open_leaks(place: Path) -> None:
    """A canary: were the swapping broken, the test above would pass for any resolver."""
    limit = time.monotonic() + 60
    leaked = False
    with swapping(place):
        while not leaked and time.monotonic() < limit:
            path = place / "swapdir" / "file"
            try:
                if os.path.realpath(path).startswith(f"{place}/"):
                    leaked = path.read_text() == "secret"
            except OSError:
                continue
    assert leaked


def test_the_walker_closes_every_directory_on_its_way(root: int, place: Path) -> None:
    deep = [f"d{n}" for n in range(30)]
    place.joinpath(*deep).mkdir(parents=True)
    before = len(os.listdir("/proc/self/fd"))
    for end in range(31):
        os.close(Walker().open(root, deep[:end], READ_DIRECTORY))
        with pytest.raises(FileNotFoundError):
            Walker().open(root, [*deep[:end], "none", "x"], READ)
    assert len(os.listdir("/proc/self/fd")) == before
