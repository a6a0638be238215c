"""The path types end to end: validated by pydantic, opened beneath a real workspace, by both resolvers."""

from __future__ import annotations

import asyncio
import logging
import os
import pickle
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter, ValidationError
from support.roots import root_of

from holdfast.errors import ConfigurationError, UnsafePath
from holdfast.safe import folder
from holdfast.safe.handle import current_scope
from holdfast.safe.paths import DirPath, Entry, ReadPath, Root, WritePath
from holdfast.safe.sandbox import Sandbox

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no directory descriptors on Windows")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    place = tmp_path / "workspace"
    (place / "notes" / "deep").mkdir(parents=True)
    (place / ".git").mkdir()
    (tmp_path / "workspace-private").mkdir()
    (tmp_path / "workspace-private" / "secret.txt").write_text("secret")
    (tmp_path / "secret.txt").write_text("secret")
    (place / ".git" / "config").write_text("hidden")
    (place / ".env").write_text("hidden")
    (place / "readme.md").write_text("inside")
    (place / "notes" / "one.md").write_text("inside one")
    (place / "notes" / "deep" / "two.txt").write_text("inside two")
    return place


@pytest.fixture(params=["openat2", "walker"])
def root(request: pytest.FixtureRequest, place: Path) -> Iterator[Root]:
    with root_of(place, request.param) as root:
        yield root


def code_of(work: Callable[[], object]) -> str:
    with pytest.raises(UnsafePath) as caught:
        work()
    assert "workspace-private" not in caught.value.message
    return caught.value.code


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd" if os.path.isdir("/proc/self/fd") else "/dev/fd"))


# -- what works -------------------------------------------------------------------------------------------------------


async def test_a_file_is_read_as_text_as_bytes_and_by_its_facts(root: Root, place: Path) -> None:
    path = root.read("notes/../readme.md")
    assert (path.text, path.name, path.suffix) == ("readme.md", "readme.md", ".md")
    assert await path.read_text() == path.read_text_sync() == "inside"
    assert await path.read_bytes() == path.read_bytes_sync() == b"inside"
    facts = await path.stat()
    assert facts == path.stat_sync()
    assert (facts.size, facts.kind, facts.modified) == (6, "file", (place / "readme.md").stat().st_mtime)
    assert (await root.read("notes").stat()).kind == "dir"


async def test_an_opened_file_is_read_piece_by_piece_and_closed_early(root: Root) -> None:
    before = descriptors()
    async with await root.read("readme.md").open() as opened:
        assert opened.facts.size == 6
        assert os.fstat(opened.fileno()).st_size == 6
        assert await opened.read(2) == b"in"
        assert opened.read_sync(2) == b"si"
        assert await opened.read_bytes() == b"de"
        assert await opened.read(2) == b""
    assert descriptors() == before
    with root.read("readme.md").open_sync() as again:
        assert again.read_bytes_sync() == b"inside"
    assert code_of(lambda: again.read_sync(1)) == "path.closed"


async def test_a_listing_shows_names_kinds_and_sizes_in_order(root: Root) -> None:
    expected = [Entry("notes", "dir", 0), Entry("readme.md", "file", 6)]
    assert await root.dir().list() == root.dir(".").list_sync() == expected
    assert root.dir("notes").subdir("deep").list_sync() == [Entry("two.txt", "file", 10)]


async def test_a_walk_gives_files_that_open_themselves(root: Root) -> None:
    found = await root.dir().walk()
    assert [path.text for path in found] == ["notes/deep/two.txt", "notes/one.md", "readme.md"]
    assert [path.read_text_sync() for path in found] == ["inside two", "inside one", "inside"]


def test_a_directory_descriptor_serves_as_a_working_directory(root: Root, place: Path) -> None:
    before = descriptors()
    with root.dir("notes").open_fd_sync() as opened:
        assert sorted(os.listdir(opened.fd)) == ["deep", "one.md"]
        assert os.path.samestat(os.fstat(opened.fd), os.stat(place / "notes"))
    assert descriptors() == before


async def test_a_directory_descriptor_opens_from_async_code_too(root: Root) -> None:
    opened = await root.dir("notes").open_fd()
    opened.close()
    opened.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(opened.fd)


def test_files_beneath_a_directory_may_not_leave_that_directory(root: Root) -> None:
    notes = root.dir("notes")
    assert notes.file("deep/../one.md").read_text_sync() == "inside one"
    assert code_of(lambda: notes.file("../readme.md")) == "path.outside"
    assert code_of(lambda: notes.subdir("..")) == "path.outside"
    assert code_of(lambda: notes.target("/etc/x")) == "path.outside"
    assert code_of(lambda: notes.file(".hidden")) == "path.hidden"
    assert DirPath.from_text("notes", None).file("one.md") == ReadPath.from_text("notes/one.md", None)


# -- as arguments of a tool -------------------------------------------------------------------------------------------


class Arguments(BaseModel):
    source: ReadPath
    target: WritePath
    folder: DirPath


def test_arguments_become_handles_bound_to_the_sandbox(root: Root) -> None:
    sent = {"source": "./readme.md", "target": "out.txt", "folder": "."}
    arguments = Arguments.model_validate(sent, context=Sandbox(workspace=root))
    assert arguments.source.read_text_sync() == "inside"
    assert arguments.model_dump() == {"source": "readme.md", "target": "out.txt", "folder": "."}


@pytest.mark.parametrize("text", ["../secret.txt", "/etc/passwd", ".git/config", "", ".", "a\0b", "x" * 5000, 7])
def test_unacceptable_arguments_fail_validation_without_touching_the_disk(root: Root, text: object) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(ReadPath).validate_python(text, context=Sandbox(workspace=root))


def test_the_schema_says_what_is_taken() -> None:
    schema = TypeAdapter(WritePath).json_schema()
    assert schema["type"] == "string"
    assert "relative to the workspace" in schema["description"]


def test_every_path_type_needs_a_workspace_and_refuses_without_one() -> None:
    assert {kind.needs for kind in (ReadPath, WritePath, DirPath)} == {"workspace"}
    for sandbox in (None, Sandbox()):
        assert code_of(ReadPath.from_text("a", sandbox).read_text_sync) == "path.no_workspace"
        assert code_of(WritePath.from_text("a", sandbox).exists_sync) == "path.no_workspace"
        assert code_of(DirPath.from_text(".", sandbox).list_sync) == "path.no_workspace"
    assert code_of(lambda: ReadPath.from_text(".git/config", None)) == "path.hidden"


def test_handles_are_equal_by_their_normalised_text_and_say_nothing_in_their_repr(root: Root) -> None:
    assert root.read("a/../b.txt") == root.read("b.txt")
    assert len({root.read("b.txt"), root.read("./b.txt"), root.write("b.txt")}) == 2
    assert repr(root.read("b.txt")) == "<ReadPath>"
    assert repr(root) == "<Root workspace>"
    assert (root.read("Makefile").suffix, root.read("x.tar.gz").suffix, root.dir().name) == ("", ".gz", "")


def test_a_handle_made_without_from_text_is_checked_all_the_same(root: Root) -> None:
    assert code_of(lambda: ReadPath("../secret.txt", Sandbox(workspace=root))) == "path.outside"


def test_a_pickled_handle_opens_the_workspace_anew_with_the_same_rules(place: Path) -> None:
    with_rules = Root(place, name="w", read_only=True, deny=[".*", "*.md"], max_read=7, max_write=8, resolver="walker")
    back = pickle.loads(pickle.dumps(with_rules.read("notes/deep/two.txt")))  # noqa: S301 - our own bytes
    again = back._root()
    assert again is not with_rules
    assert (again.name, again.read_only, again.max_read, again.max_write) == ("w", True, 7, 8)
    assert (again.resolver_name, again.deny.patterns, again.path) == ("walker", (".*", "*.md"), place)
    assert code_of(back.read_bytes_sync) == "path.too_large"


# -- what is refused when it is opened --------------------------------------------------------------------------------


def test_what_is_missing_is_refused_with_the_remedy(root: Root) -> None:
    with pytest.raises(UnsafePath, match="list the directory to see what is there") as caught:
        root.read("none.txt").read_text_sync()
    assert caught.value.code == "path.not_found"
    assert code_of(root.dir("none").list_sync) == "path.not_found"
    assert code_of(root.read("readme.md/x").read_text_sync) == "path.not_directory"
    assert code_of(root.dir("readme.md").list_sync) == "path.not_directory"


def test_fifos_sockets_and_directories_are_not_read_and_do_not_hang(
    root: Root, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(place / "fifo")
    monkeypatch.chdir(place)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
    for name in ("fifo", "socket", "notes"):
        assert code_of(root.read(name).read_text_sync) == "path.not_regular"
        assert code_of(root.read(name).open_sync) == "path.not_regular"
    assert code_of(root.read("fifo").stat_sync) == "path.not_regular"


def test_devices_are_not_read(place: Path) -> None:
    devices = Root("/dev")
    assert code_of(devices.read("null").read_bytes_sync) == "path.not_regular"
    assert code_of(devices.read("zero").read_bytes_sync) == "path.not_regular"


def test_a_hard_link_to_an_outside_file_is_refused_and_not_listed(root: Root, place: Path) -> None:
    """[measured] passes every resolver; only the link count catches it."""
    os.link(place.parent / "secret.txt", place / "innocent.txt")
    assert code_of(root.read("innocent.txt").read_text_sync) == "path.hard_link"
    assert code_of(root.read("innocent.txt").stat_sync) == "path.hard_link"
    assert code_of(root.write("innocent.txt").exists_sync) == "path.hard_link"
    assert "innocent.txt" not in [entry.name for entry in root.dir().list_sync()]


def test_a_file_larger_than_the_limit_is_refused_naming_the_limit(place: Path) -> None:
    root = Root(place, max_read=100)
    (place / "big").write_bytes(b"x" * 101)
    assert root.read("readme.md").read_bytes_sync(limit=6) == b"inside"
    for limit, named in ((None, "100"), (5000, "100"), (5, "5"), (0, "0")):
        with pytest.raises(UnsafePath, match=f"larger than {named} bytes") as caught:
            root.read("big").read_bytes_sync(limit)
        assert caught.value.code == "path.too_large"
    with root.read("big").open_sync() as opened:
        assert code_of(opened.read_bytes_sync) == "path.too_large"


def test_a_file_that_is_not_text_is_refused(root: Root, place: Path) -> None:
    (place / "binary").write_bytes(b"\xff\xfe\x00")
    assert code_of(root.read("binary").read_text_sync) == "path.not_text"
    assert code_of(lambda: root.read("binary").read_text_sync("utf-16")) == "path.not_text"
    assert root.read("binary").read_text_sync("latin-1") == "\xff\xfe\x00"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may open everything")
def test_a_file_without_permission_is_refused(root: Root, place: Path) -> None:  # pragma: no cover - not as root
    (place / "readme.md").chmod(0)
    assert code_of(root.read("readme.md").read_text_sync) == "path.denied"


# -- spellings (one test for each known vulnerability: tests/attacks/test_paths.py) ----------------------------------


def test_percent_encoded_traversal_is_only_a_file_name(root: Root) -> None:
    assert code_of(root.read("%2e%2e/%2e%2e/secret.txt").read_text_sync) == "path.not_found"
    assert code_of(root.read("notes/x..%2f..%2fsecret.txt").read_text_sync) == "path.not_found"


# -- whatever is sent -------------------------------------------------------------------------------------------------

SEGMENTS = st.sampled_from(
    ["..", ".", "", "notes", "deep", "one.md", "two.txt", "readme.md", "out", "link.txt", ".git", "secret.txt", "hard"]
) | st.sampled_from(
    ["fifo", "workspace-private", ".env", "NUL", "%2e%2e", "..\0", "...", ".. ", "..\\", "C:", "～", "／"]
)
TEXTS = st.one_of(
    st.text(max_size=40), st.builds("/".join, st.lists(SEGMENTS, max_size=7)), st.binary().map(os.fsdecode)
)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("hostile")
    place = base / "workspace"
    (place / "notes" / "deep").mkdir(parents=True)
    (base / "workspace-private").mkdir()
    for name in ("secret.txt", "workspace-private/secret.txt"):
        (base / name).write_text("secret")
    for name in ("readme.md", "notes/one.md", "notes/deep/two.txt", ".env"):
        (place / name).write_text("inside")
    (place / "out").symlink_to(base)
    (place / "link.txt").symlink_to(base / "secret.txt")
    (place / "notes" / "out").symlink_to("/")
    os.link(base / "secret.txt", place / "hard")
    os.mkfifo(place / "fifo")
    return place


@pytest.mark.parametrize("name", ["auto", "walker"])
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=TEXTS)
@example(text="notes/deep/../../readme.md")
@example(text="out/secret.txt")
@example(text="hard")
def test_any_text_is_refused_or_opens_a_file_beneath_the_root(hostile: Path, name: str, text: str) -> None:
    root = Root(hostile, resolver="walker" if name == "walker" else "auto")
    try:
        with root.read(text).open_sync() as opened:
            real = os.path.realpath(f"/proc/self/fd/{opened.fd}")
            assert real.startswith(f"{hostile}/")
            assert "/." not in real[len(str(hostile)) :]
            assert opened.read_bytes_sync() == b"inside"
    except UnsafePath:
        return
    finally:
        root.close()


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=TEXTS)
def test_any_text_is_refused_or_written_beneath_the_root(hostile: Path, text: str) -> None:
    outside = {name: (hostile.parent / name).read_bytes() for name in ("secret.txt", "workspace-private/secret.txt")}
    names = sorted(os.listdir(hostile.parent))
    root = Root(hostile)
    try:
        root.write(text).write_bytes_sync(b"inside", make_parents=True)
        assert root.read(text).read_bytes_sync() == b"inside"
    except UnsafePath:
        assert "fifo" in os.listdir(hostile)
    finally:
        root.close()
    assert sorted(os.listdir(hostile.parent)) == names
    assert {name: (hostile.parent / name).read_bytes() for name in outside} == outside


# -- descriptors ------------------------------------------------------------------------------------------------------


async def test_nothing_leaks_a_descriptor_whether_it_succeeds_or_is_refused(root: Root, place: Path) -> None:
    (place / "link").symlink_to("readme.md")
    os.mkfifo(place / "fifo")
    await root.read("readme.md").read_text()  # the executor's thread and the loop's own descriptors exist now
    before = descriptors()
    for _ in range(20):
        for text in ("readme.md", "none", "link", "fifo", "notes", "readme.md/x", "notes/deep/none"):
            for method in ("read_text", "stat", "open"):
                try:
                    opened = await getattr(root.read(text), method)()
                except UnsafePath:
                    continue
                if method == "open":
                    opened.close()
            for work in (root.dir(text).list, root.dir(text).walk, root.write(text).exists):
                try:
                    await work()
                except UnsafePath:
                    continue
    assert descriptors() == before


class Call:
    """A call as ``safe`` sees it: it closes what was opened in it."""

    def __init__(self) -> None:
        self.open: list[Callable[[], None]] = []

    def own(self, close: Callable[[], None]) -> Callable[[], None]:
        self.open.append(close)

        def early() -> None:
            if close in self.open:
                self.open.remove(close)
            close()

        return early


async def test_what_a_call_opened_is_closed_with_the_call(root: Root) -> None:
    call = Call()
    token = current_scope.set(call)
    try:
        opened = await root.read("readme.md").open()
        held = await root.dir("notes").open_fd()
        early = root.read("readme.md").open_sync()
        assert len(call.open) == 3
        early.close()
        assert len(call.open) == 2
        await root.read("readme.md").read_text()  # closes by itself
        assert len(call.open) == 2
    finally:
        current_scope.reset(token)
    for close in call.open:
        close()
    for fd in (opened.fd, held.fd):
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(fd)


async def test_each_use_opens_afresh(root: Root, place: Path) -> None:
    path = root.read("readme.md")
    assert await path.read_text() == "inside"
    (place / "readme.md").write_text("changed")
    assert await path.read_text() == "changed"
    (place / "readme.md").unlink()
    with pytest.raises(UnsafePath):
        await path.read_text()


async def test_a_cancelled_open_leaves_no_descriptor_behind(root: Root) -> None:
    await root.read("readme.md").read_text()
    before = descriptors()
    for _ in range(50):
        task = asyncio.ensure_future(root.read("readme.md").open())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    await asyncio.get_running_loop().shutdown_default_executor()
    assert descriptors() == before


# -- the root ---------------------------------------------------------------------------------------------------------


def test_a_root_that_is_missing_or_a_file_is_a_configuration_error(place: Path) -> None:
    for path in (place / "none", place / "readme.md"):
        with pytest.raises(ConfigurationError, match="not a directory that can be opened"):
            Root(path)
    for setting in ({"max_read": 0}, {"max_write": -1}, {"deny": ".git"}, {"resolver": "magic"}):
        with pytest.raises(ConfigurationError):
            Root(place, **setting)  # type: ignore[arg-type]


def test_a_platform_without_directory_descriptors_is_a_configuration_error(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder, "supported", lambda: False)
    with pytest.raises(ConfigurationError, match="cannot be confined"):
        Root(place)


def test_the_root_stays_the_same_directory_when_its_name_is_given_to_another(root: Root, place: Path) -> None:
    place.rename(place.parent / "moved")
    place.symlink_to(place.parent / "workspace-private")
    assert root.read("readme.md").read_text_sync() == "inside"
    assert code_of(root.read("secret.txt").read_text_sync) == "path.not_found"


def test_a_root_named_through_a_link_is_the_operators_choice(place: Path) -> None:
    (place.parent / "alias").symlink_to(place)
    assert Root(place.parent / "alias").read("readme.md").read_text_sync() == "inside"


def test_wide_roots_are_logged(place: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "holdfast.safe"):
        Root(place, resolver="walker")
        assert not caplog.records
        Root("/", resolver="walker")
        assert "root of the file system" in caplog.text
        Root(place, deny=(), resolver="walker")
        assert "dotfiles" in caplog.text


def test_a_closed_root_refuses_and_closing_again_is_harmless(place: Path) -> None:
    before = descriptors()
    root = Root(place)
    root.close()
    root.close()
    assert descriptors() == before
    assert code_of(root.read("readme.md").read_text_sync) == "path.closed"


def test_closing_the_root_never_pulls_it_from_under_an_open_in_another_thread(place: Path) -> None:
    for _ in range(20):
        root = Root(place)
        outcomes: list[str] = []
        start = threading.Barrier(3)

        def read(root: Root = root, outcomes: list[str] = outcomes, start: threading.Barrier = start) -> None:
            start.wait()
            for _ in range(50):
                try:
                    outcomes.append(root.read("readme.md").read_text_sync())
                except UnsafePath as refusal:
                    outcomes.append(refusal.code)

        threads = [threading.Thread(target=read) for _ in range(2)]
        for thread in threads:
            thread.start()
        start.wait()
        root.close()
        for thread in threads:
            thread.join()
        assert set(outcomes) <= {"inside", "path.closed"}
