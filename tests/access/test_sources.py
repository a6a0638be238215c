"""Sources: files that change and go away, and issuers that are slow, gone, or asked by everybody at once."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from holdfast.access.sources import FRESH, LOOK, MAX_FILE, RETRY, STALE, Fetched, Fixed, Watched
from holdfast.errors import ConfigurationError
from holdfast.testing import FakeClock


def upper(raw: bytes) -> str:
    """What a file says, if it is not empty."""
    if not raw:
        raise ConfigurationError("nothing in it")
    return raw.decode().upper()


async def test_what_stands_in_the_settings_never_changes() -> None:
    fixed = Fixed("x")
    await fixed.refresh()
    await fixed.close()
    assert (fixed.current(), fixed.due(), fixed.due(wanting=True)) == ("x", False, False)


async def test_a_file_is_read_again_when_it_has_changed(tmp_path: Path) -> None:
    file, clock = tmp_path / "keys", FakeClock()
    file.write_text("one")
    watched = Watched(file, upper, clock)
    first = watched.current()
    assert (first, watched.due()) == ("ONE", False)
    await clock.advance(LOOK)
    assert watched.due()
    await watched.refresh()
    assert watched.current() is first, "not read again as it is the same"
    other = tmp_path / "other"
    other.write_text("two")
    os.replace(other, file)
    assert not watched.due()
    await watched.refresh()
    assert watched.current() is first, "nobody looks more often than that"
    await clock.advance(LOOK)
    await asyncio.gather(*(watched.refresh() for _ in range(5)))
    assert watched.current() == "TWO"
    await watched.close()


async def test_a_file_that_was_written_over_with_its_old_time_is_read_again(tmp_path: Path) -> None:
    """As ``rsync -t --inplace`` and ``touch -r`` leave it: the same file, size and time, and other keys."""
    file, clock = tmp_path / "keys", FakeClock()
    file.write_text("one")
    watched, facts = Watched(file, upper, clock), file.stat()
    file.write_text("two")
    os.utime(file, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    await clock.advance(LOOK)
    await watched.refresh()
    assert watched.current() == "TWO"


@pytest.mark.parametrize("what", ["gone", "empty", "folder", "fifo", "large"])
async def test_a_file_that_is_no_use_says_nothing_until_it_is_mended(
    tmp_path: Path, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    file, clock = tmp_path / "keys", FakeClock()
    file.write_text("one")
    watched = Watched(file, upper, clock)
    file.unlink()
    if what == "empty":
        file.write_text("")
    elif what == "folder":
        file.mkdir()
    elif what == "fifo":
        os.mkfifo(file)
    elif what == "large":
        with file.open("wb") as sparse:
            sparse.truncate(MAX_FILE + 1)
    for _ in range(2):
        await clock.advance(LOOK)
        await asyncio.wait_for(watched.refresh(), 5)
        assert watched.current() is None
    assert caplog.text.count("a file of keys is of no use any more") == 1, "said once"
    file.rmdir() if what == "folder" else file.unlink(missing_ok=True)
    file.write_text("one")
    await clock.advance(LOOK)
    await watched.refresh()
    assert watched.current() == "ONE"


def test_keys_are_taken_out_of_a_file_and_of_nothing_else_that_can_be_read(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    writer = os.open(fifo, os.O_RDWR)
    try:
        os.write(writer, b"keys")
        for path in (fifo, Path("/dev/zero"), tmp_path):
            with pytest.raises(ConfigurationError, match="a regular file of at most"):
                Watched(path, len, FakeClock())
    finally:
        os.close(writer)


def test_a_file_may_be_as_large_as_is_said_and_leaves_nothing_open(tmp_path: Path) -> None:
    file = tmp_path / "keys"

    def next_descriptor() -> int:
        found = os.open(os.devnull, os.O_RDONLY)
        os.close(found)
        return found

    file.touch()
    before = next_descriptor()
    os.truncate(file, MAX_FILE)
    assert Watched(file, len, FakeClock()).current() == MAX_FILE
    os.truncate(file, MAX_FILE + 1)
    with pytest.raises(ConfigurationError, match="a regular file of at most"):
        Watched(file, len, FakeClock())
    assert next_descriptor() == before


@pytest.mark.skipif(sys.platform != "linux", reason="needs a regular file that cannot be read")
def test_a_file_that_fails_when_it_is_read_is_of_no_use() -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        Watched(Path("/proc/self/mem"), len, FakeClock())


async def test_at_the_beginning_a_file_must_be_there(tmp_path: Path) -> None:
    for path in (tmp_path / "missing", tmp_path):
        with pytest.raises(ConfigurationError) as refused:
            Watched(path, upper, FakeClock())
        assert str(tmp_path) not in str(refused.value)


class Far:
    """Something to fetch that counts, waits and fails."""

    def __init__(self) -> None:
        self.count = 0
        self.fails: bool | Exception = False
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self) -> str:
        self.count += 1
        await self.gate.wait()
        if self.fails:
            raise self.fails if isinstance(self.fails, Exception) else RuntimeError("canary")
        return f"keys {self.count}"


async def test_what_is_far_is_fetched_once_for_everybody() -> None:
    far, clock = Far(), FakeClock()
    source = Fetched(far, clock)
    far.gate.clear()
    assert source.current() is None
    assert source.due()
    waiting = [asyncio.create_task(source.refresh()) for _ in range(20)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    await asyncio.sleep(0)
    far.gate.set()
    await asyncio.gather(*waiting[1:])
    assert (source.current(), far.count) == ("keys 1", 1)
    assert not source.due()
    await source.close()


async def test_it_is_asked_again_for_what_is_missing_but_not_often() -> None:
    far, clock = Far(), FakeClock()
    source = Fetched(far, clock)
    await source.refresh()
    assert not source.due(wanting=True)
    for _ in range(100):
        await clock.advance(RETRY / 40)
        if source.due(wanting=True):
            await source.refresh()
    assert far.count == 3


async def test_old_keys_are_renewed_behind_the_calls_and_serve_for_a_while_when_they_cannot_be(
    caplog: pytest.LogCaptureFixture,
) -> None:
    far, clock = Far(), FakeClock()
    source = Fetched(far, clock)
    await source.refresh()
    await clock.advance(FRESH)
    assert source.current() == "keys 1"
    await clock.settle()
    assert source.current() == "keys 2"
    far.fails = True
    begun = clock.now()
    while clock.now() - begun < STALE:
        assert source.current() == "keys 2"
        assert not source.due()
        await clock.advance(RETRY)
        await clock.settle()
    assert source.current() is None
    assert "canary" not in caplog.text
    assert "cannot be fetched: RuntimeError" in caplog.text
    far.fails = False
    await clock.advance(RETRY)
    await source.refresh()
    assert source.current() is not None


async def test_fresh_keys_are_not_fetched_anew_and_no_fetch_runs_beside_another() -> None:
    far, clock = Far(), FakeClock()
    source = Fetched(far, clock)
    await source.refresh()
    await clock.advance(FRESH - 1)
    assert source.current() == "keys 1"
    await clock.settle()
    assert far.count == 1
    far.gate.clear()
    await clock.advance(1)
    for _ in range(3):
        assert source.current() == "keys 1"
        await clock.advance(RETRY)
        await clock.settle()
    assert far.count == 2
    await source.close()


async def test_at_the_very_moment_at_which_keys_are_too_old_they_must_be_fetched() -> None:
    far, clock = Far(), FakeClock()
    source = Fetched(far, clock)
    await source.refresh()
    await clock.advance(STALE)
    assert source.due()
    assert source.current() is None
    await source.close()


async def test_what_was_wrong_is_said_where_it_is_in_our_own_words(caplog: pytest.LogCaptureFixture) -> None:
    far = Far()
    far.fails = ConfigurationError("no key of the key set can check signatures")
    await Fetched(far, FakeClock()).refresh()
    assert "cannot be fetched: no key of the key set can check signatures" in caplog.text


async def test_closing_ends_what_is_under_way() -> None:
    far = Far()
    far.gate.clear()
    source = Fetched(far, FakeClock())
    waiting = asyncio.create_task(source.refresh())
    await asyncio.sleep(0.001)
    await source.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting
