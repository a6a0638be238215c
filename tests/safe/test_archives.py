"""Archives through the guard: what is honest is unpacked whole, what is not leaves nothing behind."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import stat
import struct
import sys
import tarfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from holdfast.errors import ConfigurationError, UnsafePath
from holdfast.safe import archives, members, staging
from holdfast.safe.archives import ArchiveLimits, Extracted
from holdfast.safe.decompress import Stream
from holdfast.safe.paths import Root

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no directory descriptors on Windows")


@pytest.fixture
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Root]:
    place = tmp_path / "workspace"
    (place / "in").mkdir(parents=True)
    root = Root(place, resolver=getattr(request, "param", "auto"), max_read=4 << 20, max_write=1 << 20)
    yield root
    root.close()


def zipped(*entries: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as made:
        for name, data in entries:
            info = zipfile.ZipInfo(name)
            info.compress_type = method
            made.writestr(info, data)
    return out.getvalue()


def info(name: str, **facts: object) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    for key, value in facts.items():
        setattr(made, key, value)
    return made


def tarred(*entries: tuple[tarfile.TarInfo, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.TarFile(fileobj=out, mode="w", format=form) as made:
        for item, data in entries:
            if item.isreg():
                item.size = len(data)
            made.addfile(item, io.BytesIO(data))
    return out.getvalue()


def unpack(root: Root, data: bytes, **limits: int) -> Extracted:
    (root.path / "archive").write_bytes(data)
    return root.read("archive").extract_sync(root.dir("in"), ArchiveLimits(**limits) if limits else None)


def refused(root: Root, data: bytes, **limits: int) -> str:
    """The code; and nothing is left of it, neither in its place nor beside it."""
    with pytest.raises(UnsafePath) as caught:
        unpack(root, data, **limits)
    assert os.listdir(root.path / "in") == []
    assert sorted(os.listdir(root.path)) == ["archive", "in"]
    assert os.listdir(root.path.parent) == ["workspace"]
    return caught.value.code


def tree(path: Path) -> dict[str, str]:
    return {str(file.relative_to(path)): file.read_text() for file in sorted(path.rglob("*")) if file.is_file()}


FILES = {"top.txt": "top", "a/one.txt": "one", "a/b/two.txt": "two" * 10_000}
ZIP = zipped(*((name, text.encode()) for name, text in FILES.items()))
TAR = tarred(*((info(name), text.encode()) for name, text in FILES.items()))


# -- what works -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        ZIP,
        zipped(*((name, text.encode()) for name, text in FILES.items()), method=zipfile.ZIP_STORED),
        TAR,
        tarred(*((info(f"./{name}"), text.encode()) for name, text in FILES.items()), form=tarfile.GNU_FORMAT),
        gzip.compress(TAR),
        bz2.compress(TAR),
        lzma.compress(TAR),
        gzip.compress(TAR[:1000]) + gzip.compress(TAR[1000:]),
        bz2.compress(TAR[:1000]) + bz2.compress(TAR[1000:]),
        lzma.compress(TAR[:1000]) + lzma.compress(TAR[1000:]),
        gzip.compress(TAR) + b"\0" * 512,
        TAR[: 5 * 512 + 30_208],
    ],
    ids=["zip", "stored", "tar", "gnu", "gz", "bz2", "xz", "gz+gz", "bz2+bz2", "xz+xz", "padded", "unended"],
)
@pytest.mark.parametrize("root", ["auto", "walker"], indirect=True)
async def test_an_archive_is_unpacked_whatever_its_form(root: Root, data: bytes) -> None:
    (root.path / "archive").write_bytes(data)
    found = await root.read("archive").extract(root.dir("in"))
    assert tree(root.path / "in") == FILES
    assert found == Extracted(("in/a/b/two.txt", "in/a/one.txt", "in/top.txt"), 30_006, 0)
    assert all(root.read(path).read_text_sync() for path in found.files)
    assert sorted(os.listdir(root.path)) == ["archive", "in"]


@pytest.mark.parametrize(
    "data", [zipped(), tarred(), zipped(("d/", b"")), tarred((info("d", type=tarfile.DIRTYPE), b""))]
)
def test_an_archive_without_files_is_no_mistake(root: Root, data: bytes) -> None:
    assert unpack(root, data).files == ()
    assert set(os.listdir(root.path / "in")) <= {"d"}


def test_it_joins_what_is_there_without_touching_it(root: Root) -> None:
    (root.path / "in" / "kept.txt").write_text("kept")
    unpack(root, ZIP)
    assert tree(root.path / "in") == {**FILES, "kept.txt": "kept"}


def test_hidden_members_are_left_out_and_counted(tmp_path: Path) -> None:
    root = Root(tmp_path, deny=[".*", "*.pem", "in/team"])
    (tmp_path / "in").mkdir()
    names = ("ok", ".git/config", "a/.env", "x.PEM", "team/x", "__MACOSX/._ok", ".g\ufe0fit/config")
    found = unpack(root, zipped(*((name, b"x") for name in names)))
    assert (found.files, found.hidden) == (("in/ok",), 6)
    assert tree(tmp_path / "in") == {"ok": "x"}


def test_only_permission_to_run_is_taken_over_never_set_user_id_nor_an_owner(root: Root) -> None:
    unpack(root, tarred((info("run", mode=0o6755, uid=12345, gid=12345), b"x"), (info("read", mode=0o4000), b"x")))
    run, read = ((root.path / "in" / name).stat() for name in ("run", "read"))
    assert stat.S_IMODE(run.st_mode) == 0o777 & ~umask()
    assert stat.S_IMODE(read.st_mode) == 0o666 & ~umask()
    assert (run.st_uid, run.st_gid) == (os.getuid(), os.getgid())


def umask() -> int:
    old = os.umask(0)
    os.umask(old)
    return old


# -- names ------------------------------------------------------------------------------------------------------------

NAMES = {
    "../slip": "path.outside",
    "a/../../slip": "path.outside",
    "a/../inside": "path.outside",
    "/abs": "path.outside",
    "//abs": "path.outside",
    "C:/abs": "path.outside",
    "..\\slip": "path.name",
    "a\\..\\..\\slip": "path.name",
    "a/NUL.txt": "path.name",
    "a/x.": "path.name",
    "a/x:stream": "path.name",
    "a/\x1b[2J": "path.name",
    "x" * 256: "path.name",
    "a/" * 200 + "x": "path.name",
}


@pytest.mark.parametrize("root", ["auto", "walker"], indirect=True)
@pytest.mark.parametrize("name", NAMES, ids=[name[:20] for name in NAMES])
def test_zip_slip_and_every_other_bad_name_refuses_the_archive_as_a_whole(root: Root, name: str) -> None:
    assert refused(root, zipped(("good", b"x"), (name, b"x"))) == NAMES[name]
    assert refused(root, tarred((info("good"), b"x"), (info(name), b"x"))) == NAMES[name]


def test_a_name_with_a_nul_is_not_cut_short(root: Root) -> None:
    """zipfile would unpack ``evil.txt\\0.png`` as ``evil.txt``."""
    data = zipped(("evil.txt~.png", b"x")).replace(b"evil.txt~.png", b"evil.txt\0.png")
    assert refused(root, data) == "path.archive_member"


def test_a_name_that_differs_in_the_two_places_of_a_zip_is_refused(root: Root) -> None:
    data = zipped(("good.txt", b"x"))
    assert refused(root, data.replace(b"good.txt", b"evil.txt", 1)) == "path.archive"


def test_a_name_that_is_not_unicode_is_refused(root: Root) -> None:
    assert refused(root, tarred((info("caf~"), b"x"), form=tarfile.GNU_FORMAT).replace(b"caf~", b"caf\xe9")) in {
        "path.archive",  # the header's check sum no longer fits
        "path.name",
    }
    broken = zipped(("ü~", b"x")).replace("ü~".encode(), b"\xff\xfe~")
    assert refused(root, broken) == "path.archive"


@pytest.mark.parametrize(
    "one, two",
    [
        ("same", "same"),
        ("Name", "nAME"),
        ("é", "e\u0301"),
        ("ﬁle", "file"),
        ("a\u200bb", "ab"),
        ("a\ufe0fb", "ab"),
        ("Dir/x", "dir/y"),
        ("a", "a/b"),
        ("a/b", "a"),
        ("A/b", "a"),
    ],
)
def test_two_members_that_some_file_system_takes_for_one_are_refused(root: Root, one: str, two: str) -> None:
    assert refused(root, tarred((info(one), b"1"), (info(two), b"2"))) == "path.archive_member"
    if one != two:  # zipfile itself would not write the same name twice
        assert refused(root, zipped((one, b"1"), (two, b"2"))) == "path.archive_member"


def test_a_taken_name_is_never_written_over(root: Root) -> None:
    (root.path / "in" / "top.txt").write_text("mine")
    for data in (ZIP, TAR):
        (root.path / "archive").write_bytes(data)
        with pytest.raises(UnsafePath) as caught:
            root.read("archive").extract_sync(root.dir("in"))
        assert caught.value.code == "path.exists"
    assert tree(root.path / "in") == {"top.txt": "mine"}
    assert os.listdir(root.path / "in") == ["top.txt"]


def test_a_name_taken_in_the_last_moment_moves_all_back(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    really = staging.rename_new

    def racing(here: int, old: str, there: int, new: str) -> None:
        if old == "top.txt":
            (root.path / "in" / "top.txt").write_text("theirs")
        really(here, old, there, new)

    monkeypatch.setattr(staging, "rename_new", racing)
    with pytest.raises(UnsafePath) as caught:
        unpack(root, ZIP)
    assert caught.value.code == "path.exists"
    assert tree(root.path / "in") == {"top.txt": "theirs"}


# -- one small archive for each rule ----------------------------------------------------------------------------------

FOLDER = tarfile.DIRTYPE


def test_a_member_more_than_is_taken_refuses_the_archive(root: Root) -> None:
    same = (info("a", type=FOLDER), b"")
    assert unpack(root, tarred(same, same), members=2).files == ()
    os.rmdir(root.path / "in" / "a")
    assert refused(root, tarred(same, same, same), members=2) == "path.archive_size"


def test_directories_on_the_way_count_as_members(root: Root) -> None:
    assert refused(root, tarred((info("a/b/c"), b"")), members=2) == "path.archive_size"
    assert unpack(root, tarred((info("a/b/c"), b"")), members=3).files == ("in/a/b/c",)


def test_a_name_with_dots_in_it_is_refused_even_where_it_stays_inside(root: Root) -> None:
    assert refused(root, tarred((info("a/../b"), b"x"))) == "path.outside"


def test_a_directory_and_what_is_in_it_fit_together(root: Root) -> None:
    data = tarred((info(".", type=FOLDER), b""), (info("./d", type=FOLDER), b""), (info("./d/f"), b"x"))
    assert unpack(root, data).files == ("in/d/f",)


def test_an_empty_directory_is_made_too(root: Root) -> None:
    unpack(root, tarred((info("d/e", type=FOLDER), b"")))
    unpack(root, zipped(("z/y/", b"")))
    assert (root.path / "in" / "d" / "e").is_dir()
    assert (root.path / "in" / "z" / "y").is_dir()


@pytest.mark.parametrize("name", [".", "./."])
def test_a_file_without_a_name_refuses_the_archive(root: Root, name: str) -> None:
    assert refused(root, tarred((info(name), b"x"))) == "path.archive_member"
    assert refused(root, zipped((name, b"x"))) == "path.archive_member"


def test_a_file_is_held_to_what_the_root_writes_and_all_of_them_to_the_limit(root: Root) -> None:
    tight = Root(root.path, max_write=5)
    try:
        assert refused(tight, tarred((info("a"), b"123456"))) == "path.too_large"
        assert refused(tight, tarred((info("a"), b"12345"), (info("b"), b"1")), bytes=5) == "path.archive_size"
        assert unpack(tight, tarred((info("a"), b"12345"), (info("b"), b"1")), bytes=6).bytes == 6
    finally:
        tight.close()


def test_what_was_written_is_closed(root: Root) -> None:
    where = "/proc/self/fd" if os.path.isdir("/proc/self/fd") else "/dev/fd"
    data = tarred((info("a"), b"x"))
    before = set(os.listdir(where))
    unpack(root, data)
    assert set(os.listdir(where)) <= before


def test_a_taken_name_is_noticed_before_anything_is_unpacked(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    (root.path / "in" / "b").mkdir()
    begun: list[bytes] = []
    monkeypatch.setattr(archives, "write_all", lambda _, data: begun.append(data))
    with pytest.raises(UnsafePath) as caught:
        unpack(root, tarred((info("b"), b"x"), (info("c"), b"x")))
    assert (caught.value.code, begun) == ("path.exists", [])
    unpack(root, tarred((info("c/b"), b"x")))
    assert begun == [b"x"], "only the names at the top can be taken"


def stopped_at(root: Root, data: bytes, begun: Callable[[list[Path]], bool]) -> list[Path]:
    """What there was when the call, which had ended meanwhile, noticed; afterwards there is nothing."""
    (root.path / "archive").write_bytes(data)
    seen: list[Path] = []

    def stop() -> None:
        seen[:] = (root.path / "in").glob("*/**/*")
        if begun(seen):
            raise UnsafePath("gone", code="path.closed")

    with root.read("archive").open_sync() as opened, pytest.raises(UnsafePath, match="gone"):
        archives.extract(opened, root.dir("in").place(), ArchiveLimits(), stop)
    assert os.listdir(root.path / "in") == []
    return [Path(path.name) for path in seen]


def test_the_end_of_the_call_is_noticed_at_each_member_each_piece_and_before_the_moving(root: Root) -> None:
    folders = tarred(*((info(name, type=FOLDER), b"") for name in "abc"))
    assert len(stopped_at(root, folders, lambda seen: len(seen) == 1)) == 1
    assert len(stopped_at(root, folders, lambda seen: len(seen) == 3)) == 3
    sizes: list[int] = []

    def piece(seen: list[Path]) -> bool:
        sizes[:] = [path.stat().st_size for path in seen]
        return sum(sizes) > 0

    stopped_at(root, tarred((info("a"), b"x" * 200_000)), piece)
    assert 0 < sizes[0] < 200_000


# -- kinds ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind",
    [
        tarfile.SYMTYPE,
        tarfile.LNKTYPE,
        tarfile.CHRTYPE,
        tarfile.BLKTYPE,
        tarfile.FIFOTYPE,
        tarfile.GNUTYPE_SPARSE,
        tarfile.CONTTYPE + b"",
    ],
)
def test_links_devices_and_other_kinds_in_a_tar_are_refused(root: Root, kind: bytes) -> None:
    data = tarred((info("good"), b"x"), (info("odd", type=kind, linkname="/etc/passwd"), b""))
    if kind == tarfile.CONTTYPE:
        assert unpack(root, data).files == ("in/good", "in/odd")  # a plain file by another letter
    else:
        assert refused(root, data) in {"path.archive_member", "path.archive"}


@pytest.mark.parametrize("mode", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFSOCK, stat.S_IFDIR])
@pytest.mark.parametrize("system", [0, 3])
def test_links_devices_and_other_kinds_in_a_zip_are_refused(root: Root, mode: int, system: int) -> None:
    item = zipfile.ZipInfo("odd")
    item.external_attr, item.create_system = (mode | 0o777) << 16, system
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        made.writestr("good", "x")
        made.writestr(item, "/etc/passwd")
    assert refused(root, out.getvalue()) == "path.archive_member"


@pytest.mark.parametrize("root", ["auto", "walker"], indirect=True)
def test_a_link_followed_by_a_file_through_it_is_refused(root: Root) -> None:
    link = info("out", type=tarfile.SYMTYPE, linkname="../..")
    assert refused(root, tarred((link, b""), (info("out/slip"), b"x"))) == "path.archive_member"


def test_encrypted_and_rarely_packed_members_are_refused(root: Root) -> None:
    data = bytearray(ZIP)
    data[data.index(b"PK\1\2") + 8] |= 1
    assert refused(root, bytes(data)) == "path.archive_member"
    assert refused(root, zipped(("a", b"x"), method=zipfile.ZIP_BZIP2)) == "path.archive_member"
    assert refused(root, zipped(("a", b"x"), method=zipfile.ZIP_LZMA)) == "path.archive_member"


# -- bombs ------------------------------------------------------------------------------------------------------------

ZEROS = b"\0" * (4 << 20)


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_a_packed_bomb_ends_by_its_ratio_whatever_its_headers_say(root: Root, pack: Callable[[bytes], bytes]) -> None:
    data = tarred(*((info(f"f{number}"), ZEROS[: 1 << 20]) for number in range(8)))
    assert refused(root, pack(data)) == "path.archive_size"


def test_a_zip_bomb_ends_by_its_ratio(root: Root) -> None:
    roomy = Root(root.path, max_write=64 << 20, resolver=root.resolver_name)
    try:
        assert refused(roomy, zipped(("bomb", ZEROS))) == "path.archive_size"
    finally:
        roomy.close()


def test_a_zip_that_lies_about_sizes_gives_no_more_than_it_says_and_is_refused(root: Root) -> None:
    data = zipped(("bomb", ZEROS[: 1 << 19]))
    lie = data.replace(struct.pack("<L", 1 << 19), struct.pack("<L", 100))
    assert lie != data
    assert refused(root, lie) == "path.archive"  # the check sum of what came out does not fit


@pytest.mark.parametrize("data", [ZIP, TAR, gzip.compress(TAR)], ids=["zip", "tar", "gz"])
def test_members_bytes_and_single_files_are_capped(root: Root, data: bytes) -> None:
    assert refused(root, data, members=2) == "path.archive_size"
    assert refused(root, data, bytes=30_005) == "path.archive_size"
    assert unpack(root, data, bytes=30_006, members=5).bytes == 30_006


def test_a_file_larger_than_the_root_writes_is_refused(root: Root) -> None:
    data = os.urandom((1 << 20) + 1)
    assert refused(root, zipped(("big", data))) == "path.too_large"
    assert refused(root, tarred((info("big"), data))) == "path.too_large"


def test_an_archive_larger_than_the_root_reads_is_refused(root: Root) -> None:
    assert refused(root, ZIP + b"\0" * (4 << 20)) == "path.too_large"


def test_members_that_share_their_bytes_are_refused(root: Root) -> None:
    """Fifield, A better zip bomb (WOOT '19): many members, one body."""
    data = bytearray(zipped(("a", b"x" * 5_000), ("b", b"x" * 5_000), method=zipfile.ZIP_STORED))
    second = data.index(b"PK\1\2", data.index(b"PK\1\2") + 1)
    data[second + 42 : second + 46] = struct.pack("<L", 0)
    assert refused(root, bytes(data)) == "path.archive_member"


def test_a_directory_of_a_zip_that_would_fill_the_memory_is_refused(root: Root) -> None:
    data = zipped(*((f"{number:06}", b"") for number in range(20_000)))
    assert refused(root, data) == "path.archive_size"
    assert refused(root, data, members=100) == "path.archive_size"


def test_a_header_of_a_tar_that_would_fill_the_memory_is_refused(root: Root) -> None:
    item = info("a", pax_headers={"comment": "x" * 200_000})
    assert refused(root, tarred((item, b"x"))) == "path.archive_size"
    huge = tarfile.TarInfo("././@LongLink")
    huge.type, huge.size = tarfile.GNUTYPE_LONGNAME, 1 << 40
    assert refused(root, huge.tobuf(tarfile.GNU_FORMAT)) == "path.archive_size"


def test_empty_directories_count_as_members_too(root: Root) -> None:
    same = tarred(*((info("a", type=tarfile.DIRTYPE), b"") for _ in range(11)))
    assert refused(root, same, members=10) == "path.archive_size"
    data = tarred(*((info("/".join(f"d{number}-{level}" for level in range(50))), b"") for number in range(10)))
    assert refused(root, data, members=100) == "path.archive_size"


def test_headers_that_follow_headers_without_a_member_are_refused(root: Root) -> None:
    item = info("a", type=tarfile.XGLTYPE, size=13)
    block = item.tobuf(tarfile.USTAR_FORMAT) + b"13 comment=x\n".ljust(512, b"\0")
    assert refused(root, gzip.compress(block * 4_000)) == "path.archive_size"


def pax(kind: bytes, content: bytes) -> bytes:
    head = info("x", size=len(content), type=kind).tobuf(tarfile.USTAR_FORMAT)
    return head + content + b"\0" * (-len(content) % tarfile.BLOCKSIZE)


@pytest.mark.parametrize(
    "content",
    [
        b"0" * 60_000,
        b"60013 comment=" + b"0" * 59_998 + b"\n",
        b"2 " * 30_000 + b"=\n",
        b"5 a=\n" * 1_001,
        b"7 a=bc",
        b"6 a=bc\n",
        b"0 a=\n",
        b"99 a=\n",
        b"5 a=\n5",
        b"5 =a\n",
    ],
)
@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE])
def test_cve_2024_6232_a_header_that_takes_long_to_look_at_is_refused(root: Root, kind: bytes, content: bytes) -> None:
    started = time.process_time()
    assert refused(root, gzip.compress(pax(kind, content) + tarred((info("a"), b"")))) == "path.archive_member"
    assert time.process_time() - started < 2, "10 s before, in which no other thread ran"


def test_headers_for_all_that_follows_are_not_gathered(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    known: list[int] = []

    class Looking(members._Strict):
        def _proc_pax(self, tar: tarfile.TarFile) -> object:
            known.append(len(tar.pax_headers))
            return super()._proc_pax(tar)

    monkeypatch.setattr(members, "_Strict", Looking)
    data = b"".join(pax(tarfile.XGLTYPE, b"7 k%d=v\n" % each) + info(f"f{each}").tobuf() for each in range(5))
    assert len(unpack(root, data + b"\0" * 1024).files) == 5
    assert known == [0] * 5


def test_streams_one_behind_the_other_are_counted_and_none_is_overlooked(root: Root) -> None:
    assert refused(root, gzip.compress(b"", mtime=0) * 20_000) == "path.archive_size"
    content = os.urandom(70_000)
    tar = tarred((info("a"), content))
    first = gzip.compress(tar[:60_000], 1, mtime=0)
    for extra in range(65_530 - len(first), 65_538 - len(first)):  # the second begins around a multiple of what is read
        field = struct.pack("<H", extra - 2) + b"x" * (extra - 2)
        packed = first[:3] + b"\4" + first[4:10] + field + first[10:] + gzip.compress(tar[60_000:])
        (root.path / "in" / "a").unlink(missing_ok=True)
        assert len(unpack(root, packed).files) == 1, extra


def test_what_follows_the_last_member_is_bounded_too(root: Root) -> None:
    data = tarred((info("a"), b"x"))
    assert refused(root, data + os.urandom(3 << 20), bytes=10, members=10) == "path.archive_size"
    assert refused(root, gzip.compress(data + b"\0" * (64 << 20))) == "path.archive_size"


# -- what is broken ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PK\3\4",
        b"text that is no archive" * 100,
        ZIP[:-30],
        TAR[:700],
        TAR[: len(TAR) // 2],
        gzip.compress(TAR)[:-20],
        bz2.compress(TAR)[:-20],
        lzma.compress(TAR)[:-20],
        gzip.compress(TAR)[:20] + b"\xff" * 50,
        b"\x1f\x8b\x08\x00",
        b"BZh9" + b"\xff" * 50,
        b"\xfd7zXZ\0" + b"\xff" * 50,
        TAR[:1024] + b"\xff" * 512 + TAR[1536:],
    ],
    ids=range(14),
)
def test_what_is_no_whole_archive_is_refused(root: Root, data: bytes) -> None:
    assert refused(root, data) == "path.archive"


def test_sizes_that_point_backwards_do_not_loop(root: Root) -> None:
    """CVE-2019-20907 and CVE-2025-8194: tarfile went round in circles."""
    item = info("a")
    item.size = -1024
    assert refused(root, item.tobuf(tarfile.GNU_FORMAT) + b"\0" * 4096) in {"path.archive", "path.archive_member"}


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(base=st.sampled_from([ZIP, TAR, gzip.compress(TAR), lzma.compress(TAR)]), data=st.data())
def test_any_damage_is_refused_or_unpacked_beneath_the_root(tmp_path: Path, base: bytes, data: st.DataObject) -> None:
    broken = bytearray(base)
    for _ in range(data.draw(st.integers(1, 4))):
        broken[data.draw(st.integers(0, min(len(base), 2_000) - 1))] = data.draw(st.integers(0, 255))
    place = tmp_path / "workspace"
    (place / "in").mkdir(parents=True, exist_ok=True)
    root = Root(place)
    try:
        unpack(root, bytes(broken))
    except UnsafePath:
        assert os.listdir(place / "in") == []
    finally:
        root.close()
    assert os.listdir(tmp_path) == ["workspace"]
    assert sorted(os.listdir(place)) == ["archive", "in"]
    for name in os.listdir(place / "in"):
        staging.discard(os.open(place / "in", os.O_RDONLY), name) if (place / "in" / name).is_dir() else (
            place / "in" / name
        ).unlink()


def test_the_stream_skips_forward_one_byte_back_and_no_further() -> None:
    stream = Stream(io.BytesIO(gzip.compress(b"abcdefgh")), limit=100, ratio=100)
    stream.headers = 100
    assert stream.read(3) == b"abc"
    assert (stream.seek(2), stream.read(1), stream.tell()) == (2, b"c", 3)
    assert (stream.seek(5), stream.read(2), stream.seek(6), stream.read(9)) == (5, b"fg", 6, b"gh")
    for place in (0, 6):
        with pytest.raises(EOFError):
            stream.seek(place)


# -- where and for how long -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("root", ["auto", "walker"], indirect=True)
def test_a_read_only_root_a_missing_or_a_linked_target_is_refused(root: Root) -> None:
    (root.path / "archive").write_bytes(ZIP)
    (root.path / "out").symlink_to(root.path.parent)
    codes = []
    for into in (Root(root.path, read_only=True).dir("in"), root.dir("none"), root.dir("out"), root.dir("archive")):
        with pytest.raises(UnsafePath) as caught:
            root.read("archive").extract_sync(into)
        codes.append(caught.value.code)
    assert codes == ["path.read_only", "path.not_found", "path.symlink", "path.not_directory"]
    assert sorted(os.listdir(root.path)) == ["archive", "in", "out"]


def test_an_archive_of_one_root_is_unpacked_into_another(root: Root, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (root.path / "archive").write_bytes(ZIP)
    root.read("archive").extract_sync(Root(tmp_path / "other").dir())
    assert tree(tmp_path / "other") == FILES


def test_a_call_that_ended_takes_back_what_it_began(root: Root) -> None:
    (root.path / "archive").write_bytes(ZIP)
    gone = threading.Event()

    def stop() -> None:
        if len(list((root.path / "in").rglob("*.txt"))) > 1:
            gone.set()
            raise UnsafePath("gone", code="path.closed")

    with root.read("archive").open_sync() as opened, pytest.raises(UnsafePath):
        archives.extract(opened, root.dir("in").place(), ArchiveLimits(), stop)
    assert gone.is_set()
    assert os.listdir(root.path / "in") == []


def test_a_full_disk_leaves_nothing_behind(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(fd: int, data: bytes) -> None:
        os.write(fd, data[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(archives, "write_all", full)
    assert refused(root, ZIP) == "path.disk_full"


def test_no_descriptor_is_left_open(root: Root) -> None:
    where = "/proc/self/fd" if os.path.isdir("/proc/self/fd") else "/dev/fd"
    refused(root, ZIP, members=1)
    before = len(os.listdir(where))
    for data in (ZIP, TAR, gzip.compress(TAR)[:-20], zipped(("../x", b""))):
        for limits in ({"members": 1}, {"bytes": 10}):
            refused(root, data, **limits)
    assert len(os.listdir(where)) == before


@pytest.mark.parametrize("limits", [{"members": 0}, {"bytes": -1}, {"ratio": 0}])
def test_limits_that_make_no_sense_are_the_authors_mistake(limits: dict[str, int]) -> None:
    with pytest.raises(ConfigurationError):
        ArchiveLimits(**limits)


def test_a_staging_directory_of_a_killed_writer_is_swept_with_all_that_is_in_it(root: Root) -> None:
    left = root.path / "in" / ".holdfast-0123456789abcdef.new"
    (left / "deep").mkdir(parents=True)
    (left / "deep" / "file").write_text("x")
    (left / "link").symlink_to(root.path.parent)
    assert root.sweep_sync() == 0
    os.utime(left, (1, 1))
    assert root.sweep_sync() == 1
    assert os.listdir(root.path / "in") == []
    assert root.path.is_dir()
