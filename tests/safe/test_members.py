"""The members of an archive by themselves: each check of their headers holds without those of who unpacks them."""

from __future__ import annotations

import io
import stat
import struct
import tarfile
import zipfile
from dataclasses import replace
from itertools import islice

import pytest

from holdfast.errors import UnsafePath
from holdfast.safe import members
from holdfast.safe.members import MAX_DIGITS, MAX_RECORDS, Bounds, Member, parsing, require_records

BOUNDS = Bounds(members=3, bytes=1_000, ratio=100)


def zipped(*entries: tuple[str, bytes], mode: int = 0) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        for name, data in entries:
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            made.writestr(info, data)
    return out.getvalue()


def tarred(*names: str, size: int = 5) -> bytes:
    out = io.BytesIO()
    with tarfile.TarFile(fileobj=out, mode="w") as made:
        for name in names:
            info = tarfile.TarInfo(name)
            info.size = size
            made.addfile(info, io.BytesIO(b"x" * size))
    return out.getvalue()


def first(data: bytes) -> Member:
    return next(members.members(io.BytesIO(data), BOUNDS))


def unpacked(data: bytes, bounds: Bounds) -> list[int]:
    """The sizes of what comes out."""
    return [sum(map(len, member.chunks)) for member in members.members(io.BytesIO(data), bounds)]


def refused(data: bytes) -> str:
    """Its code; refused before the first member is handed out."""
    with pytest.raises(UnsafePath) as caught:
        first(data)
    return caught.value.code


def test_errors_of_the_machine_pass_and_those_of_a_parser_do_not() -> None:
    with pytest.raises(OSError, match="disk"), parsing():
        raise OSError(5, "the disk is broken")
    for error, code in (
        (OSError("Invalid data stream"), "path.archive"),  # as bz2 says it
        (struct.error("short"), "path.archive"),
        (MemoryError(), "path.archive_size"),
        (UnsafePath("no", code="path.exists"), "path.exists"),
    ):
        with pytest.raises(UnsafePath) as caught, parsing():
            raise error
        assert caught.value.code == code


# -- tar --------------------------------------------------------------------------------------------------------------


def test_records_of_a_pax_header_that_are_whole_are_taken() -> None:
    for content in (b"", b"6 a=b\n", b"6 a=\n\n", b"6 a=b\n11 cc=dd=\n\n", b"6 a=b\n" * MAX_RECORDS):
        require_records(len(content), content + b"\0" * (-len(content) % 512))
    digits = b"1" * MAX_DIGITS
    require_records(len(digits) + 7, b"%d a=%b\n" % (len(digits) + 7, digits))


@pytest.mark.parametrize(
    "content, padding",
    [
        (b"7 a=bcd6 x=y\n", b""),  # no line feed where the record ends
        (b"3 a=b\n", b""),  # ends before its value
        (b"4 a=b\n", b""),
        (b"5 a=b\n", b""),
        (b"1 a=b\n", b""),
        (b"6 a=b\n" * (MAX_RECORDS + 1), b""),
        (b"9 a=bcd", b"e\n"),  # ends in the padding
        (b"512 a=bcd\n", b""),
        (b"6 a=b\n", b"\0\0x"),  # which tarfile would look at as well
        (b"6 a=b\n", b"6 c=d\n"),
        (b"135 a=%b\n" % (b"1" * (MAX_DIGITS + 1)), b""),
        (b"a=b\n", b""),
        (b"06 a=b\n", b""),
    ],
)
def test_records_of_a_pax_header_that_are_not_whole_are_refused(content: bytes, padding: bytes) -> None:
    with pytest.raises(UnsafePath) as caught:
        require_records(len(content), content + padding)
    assert caught.value.code == "path.archive_member"


@pytest.mark.parametrize("size", [-1, -511, -512, -1024])
def test_a_file_of_less_than_nothing_is_refused(size: int) -> None:
    """CVE-2025-8194: ``tarfile`` took -1 for a file without content, and less for a way back."""
    info = tarfile.TarInfo("a")
    info.size = size
    assert refused(info.tobuf(tarfile.GNU_FORMAT) + b"\0" * 4096) in {"path.archive", "path.archive_member"}


def test_members_of_a_tar_are_not_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    known: list[int] = []

    class Looking(members._Strict):
        @classmethod
        def fromtarfile(cls, tar: tarfile.TarFile) -> Looking:
            known.append(len(tar.members))
            return super().fromtarfile(tar)  # type: ignore[return-value]

    monkeypatch.setattr(members, "_Strict", Looking)
    names = [f"f{number}" for number in range(50)]
    assert [member.name for member in members.members(io.BytesIO(tarred(*names)), BOUNDS)] == names
    assert len(known) > 50
    assert max(known) <= 1


def test_content_that_ends_early_is_an_error_and_no_short_file() -> None:
    chunks = first(tarred("a", size=5)[: 512 + 3]).chunks
    assert next(chunks) == b"xxx"
    with pytest.raises(EOFError):
        next(chunks)
    whole = first(tarred("a", size=70_000))
    assert b"".join(islice(whole.chunks, 10)) == b"x" * 70_000


# -- zip --------------------------------------------------------------------------------------------------------------


def test_a_zip_says_itself_that_it_is_too_much() -> None:
    three = [(name, b"x") for name in "abc"]
    assert first(zipped(*three)).name == "a"
    assert refused(zipped(*three, ("d", b"x"))) == "path.archive_size"
    assert first(zipped(("a", b"x" * 500), ("b", b"x" * 500))).name == "a"
    assert refused(zipped(("a", b"x" * 500), ("b", b"x" * 501))) == "path.archive_size"


def test_no_more_is_read_of_a_zips_directory_than_is_allowed() -> None:
    for count in (-1, 11, 50):
        file = io.BytesIO(b"x" * 50)
        with pytest.raises(UnsafePath) as caught:
            members._Capped(file, 10).read(count)
        assert caught.value.code == "path.archive_size"
        assert file.tell() == 11
        assert members._Capped(io.BytesIO(b"x" * 10), 10).read(count) == b"x" * 10


def test_a_member_that_begins_before_the_archive_is_refused() -> None:
    data = zipped(("a", b"x"))
    at = data.index(b"PK\5\6") + 16  # where the directory begins, APPNOTE 4.3.16: one further shifts all by -1
    data = data[:at] + struct.pack("<L", struct.unpack("<L", data[at : at + 4])[0] + 1) + data[at + 4 :]
    assert refused(data) == "path.archive_member"


def test_a_directory_of_a_zip_is_one_by_its_name_and_by_its_mode() -> None:
    assert first(zipped(("d/", b""), mode=stat.S_IFDIR | 0o755)).directory
    assert first(zipped(("d/", b""))).directory
    assert refused(zipped(("d", b""), mode=stat.S_IFDIR | 0o755)) == "path.archive_member"
    assert not first(zipped(("d", b""), mode=stat.S_IFREG | 0o755)).directory


def test_a_member_that_is_encrypted_or_rarely_packed_is_refused() -> None:
    data = bytearray(zipped(("a", b"x")))
    data[data.index(b"PK\1\2") + 8] |= 1
    assert refused(bytes(data)) == "path.archive_member"
    data = bytearray(zipped(("a", b"x")))
    data[data.index(b"PK\1\2") + 10] = zipfile.ZIP_LZMA
    assert refused(bytes(data)) == "path.archive_member"


def test_a_zip_that_gives_more_than_its_ratio_ends_there() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("bomb", b"\0" * (2 << 20))
    bounds = Bounds(members=1, bytes=2 << 20, ratio=100)
    with pytest.raises(UnsafePath) as caught:
        unpacked(out.getvalue(), bounds)
    assert caught.value.code == "path.archive_size"
    assert unpacked(out.getvalue(), replace(bounds, ratio=2_000)) == [2 << 20]


@pytest.mark.parametrize("size", [5, 600])
def test_a_sparse_file_of_a_tar_is_refused(size: int) -> None:
    """Its content is not where its size says: ``tarfile`` would put it together out of pieces."""
    out = io.BytesIO()
    with tarfile.TarFile(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as made:
        info = tarfile.TarInfo("a")
        info.size = size
        info.pax_headers = {"GNU.sparse.map": f"0,{size}", "GNU.sparse.size": str(size)}
        made.addfile(info, io.BytesIO(b"x" * size))
    assert refused(out.getvalue()) == "path.archive_member"


def test_a_file_that_is_asked_for_nothing_gives_nothing() -> None:
    assert members._Capped(io.BytesIO(b"x" * 50), 10).read(0) == b""


def test_members_may_touch_and_may_not_overlap() -> None:
    infos = [zipfile.ZipInfo("a"), zipfile.ZipInfo("b")]
    for info, offset in zip(infos, (0, 35), strict=True):
        info.header_offset, info.compress_size = offset, 5  # behind a header of thirty bytes, APPNOTE 4.3.7
    members._require_apart(infos, 70)
    for offset, end in ((35, 69), (34, 70)):
        infos[1].header_offset = offset
        with pytest.raises(UnsafePath, match="overlap"):
            members._require_apart(infos, end)


def test_a_zip_gives_its_slack_whatever_the_ratio_and_its_ratio_to_the_byte() -> None:
    def packed(size: int, method: int) -> bytes:
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", method) as made:
            made.writestr("a", b"\0" * size)
        return out.getvalue()

    bounds = Bounds(members=1, bytes=4 << 20, ratio=1)
    assert unpacked(packed(members.SLACK, zipfile.ZIP_DEFLATED), bounds) == [members.SLACK]
    with pytest.raises(UnsafePath, match="more than 1 times"):
        unpacked(packed(members.SLACK + 1, zipfile.ZIP_DEFLATED), bounds)
    assert unpacked(packed(2 << 20, zipfile.ZIP_STORED), bounds) == [2 << 20]
