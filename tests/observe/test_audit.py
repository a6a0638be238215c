"""The audit log: nothing acknowledged is lost, nothing altered goes unseen."""

from __future__ import annotations

import asyncio
import json
import os
import random
import resource
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from holdfast.errors import AuditUnavailable
from holdfast.observe import audit as audit_module
from holdfast.observe.audit import AuditLog, Head, verify
from holdfast.observe.chain import GENESIS, MAX_LINE, archives


async def write(path: Path, count: int, **options: object) -> AuditLog:
    log = AuditLog(path, **options)  # type: ignore[arg-type]
    for number in range(count):
        await log.append({"event": "call", "number": number})
    await log.close()
    return log


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


async def test_an_appended_record_is_a_line_on_the_file_when_append_returns(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.jsonl")
    await log.append({"event": "call", "tool": "read_note", "seq": "mine"})
    (line,) = lines(log.path)
    await log.close()
    assert line["tool"] == "read_note"
    assert (line["seq"], line["seq_"], line["prev"]) == (1, "mine", "0" * 64)
    assert log.path.stat().st_mode & 0o777 == 0o600


async def test_the_chain_goes_on_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "audit.jsonl"
    await write(path, 3)
    again = await write(path, 2)
    verdict = verify(path)
    assert (verdict.ok, verdict.lines, verdict.torn) == (True, 5, False)
    assert verdict.head == again.head
    assert again.findings == ()


async def test_concurrent_appends_are_all_written_in_one_chain(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.jsonl")
    await asyncio.gather(*(log.append({"number": number}) for number in range(2_000)))
    await log.close()
    assert [line["number"] for line in lines(log.path)] == list(range(2_000))
    assert verify(log.path).lines == 2_000


async def test_every_change_to_a_line_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    await write(path, 6)
    whole = path.read_bytes().splitlines(keepends=True)
    changes = {
        "edited": [*whole[:2], whole[2].replace(b'"number":2', b'"number":9'), *whole[3:]],
        "deleted": [*whole[:2], *whole[3:]],
        "first deleted": whole[1:],
        "swapped": [whole[0], whole[2], whole[1], *whole[3:]],
        "repeated": [*whole[:3], whole[2], *whole[3:]],
        "key repeated": [*whole[:2], whole[2].replace(b'{"event"', b'{"event":"other","event"'), *whole[3:]],
        "not JSON": [*whole[:2], b"garbage\n", *whole[3:]],
        "not an object": [*whole[:2], b"[1]\n", *whole[3:]],
        "unterminated amid": [*whole[:5], b"x" * MAX_LINE],
    }
    for name, changed in changes.items():
        path.write_bytes(b"".join(changed))
        verdict = verify(path)
        assert not verdict.ok, name
        assert verdict.first_bad is not None, name


async def test_lines_cut_off_the_end_are_seen_by_whoever_kept_the_head(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    log = await write(path, 4)
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:3]))
    verdict = verify(path)
    assert verdict.ok
    assert verdict.head != log.head


async def test_a_torn_last_line_is_set_aside_and_the_repair_is_on_the_record(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    await write(path, 3)
    with path.open("ab") as file:
        file.write(b'{"event":"call","num')
    assert (verify(path).ok, verify(path).torn, verify(path).lines) == (True, True, 3)
    log = await write(path, 1)
    assert "20 bytes" in log.findings[0]
    assert [line["event"] for line in lines(path)] == ["call"] * 3 + ["audit.repaired", "call"]
    (aside,) = tmp_path.glob("audit.jsonl.torn-*")
    assert aside.read_bytes() == b'{"event":"call","num'
    assert verify(path).ok


async def test_a_file_of_garbage_is_set_aside_whole(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    path.write_bytes(b"\x00" * (5 * MAX_LINE))
    log = await write(path, 1)
    assert str(5 * MAX_LINE) in log.findings[0]
    assert verify(path).lines == 2


async def test_the_last_intact_line_is_found_before_much_garbage(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    await write(path, 2)
    with path.open("ab") as file:
        file.write(b"\x00" * (4 * MAX_LINE))
    await write(path, 1)
    assert verify(path).ok
    assert verify(path).lines == 4


WRITER = """
    import asyncio, os, sys
    from pathlib import Path
    from holdfast.observe.audit import AuditLog

    async def main():
        log = AuditLog(Path(sys.argv[1]), max_bytes=20_000)
        async def caller(name):
            for number in range(1_000_000):
                await log.append({"who": name, "number": number})
                os.write(1, f"{name} {number}\\n".encode())
        await asyncio.gather(*(caller(n) for n in range(4)))

    asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9")
def test_kill_9_in_the_middle_loses_no_acknowledged_line(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    acknowledged: list[tuple[int, int]] = []
    source = random.Random(7)
    for _ in range(15):
        argv = [sys.executable, "-c", textwrap.dedent(WRITER), str(path)]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
        with subprocess.Popen(argv, stdout=subprocess.PIPE, env=environment) as child:
            assert child.stdout is not None
            wanted = source.randrange(1, 400)
            for _ in range(wanted):
                child.stdout.readline()
            child.send_signal(signal.SIGKILL)
            rest = child.stdout.read()
        told = [line for line in rest.decode().splitlines(keepends=True) if line.endswith("\n")]
        acknowledged += [(int(a), int(b)) for a, b in (line.split() for line in told)]
    found = [line for each in [*archives(path), path] for line in lines_but_torn(each)]
    seen = {(line.get("who"), line.get("number")) for line in found}
    assert set(acknowledged) <= seen
    assert verify(path).ok
    asyncio.run(write(path, 1))
    verdict = verify(path)
    assert verdict.ok
    assert not verdict.torn


def lines_but_torn(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]


async def test_a_full_file_is_set_aside_and_the_chain_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    await write(path, 30, max_bytes=2_000)
    await write(path, 1, max_bytes=2_000)
    old = archives(path)
    assert len(old) > 2
    assert old[0].name == "audit.jsonl.000000000001"
    assert verify(path).lines == 31
    last = lines(old[0])[-1]
    old[0].unlink()
    assert not verify(path).ok
    assert verify(path, since=Head(int(str(last["seq"])), str(last["hash"]))).ok


async def test_a_crash_between_rotation_and_the_first_line_keeps_the_chain(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    await write(path, 5)
    path.rename(tmp_path / "audit.jsonl.000000000001")
    (tmp_path / "audit.jsonl.000000000003").write_bytes(b"")
    await write(path, 1)
    (tmp_path / "audit.jsonl.000000000003").unlink()
    assert verify(path).lines == 6


async def test_a_second_writer_gets_a_file_of_its_own(tmp_path: Path) -> None:
    first = AuditLog(tmp_path / "audit.jsonl")
    second = AuditLog(tmp_path / "audit.jsonl")
    await asyncio.gather(first.append({"from": 1}), second.append({"from": 2}))
    assert second.path.name == f"audit-{os.getpid()}.jsonl"
    assert "another process" in second.findings[0]
    await first.close()
    await second.close()
    assert (verify(first.path).lines, verify(second.path).lines) == (1, 1)


async def test_a_file_that_was_moved_away_is_begun_anew_with_the_chain_carried_on(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    log = AuditLog(path)
    await log.append({"number": 1})
    path.rename(tmp_path / "moved")
    kept = log.head
    await log.append({"number": 2})
    await log.close()
    assert verify(path, since=kept).lines == 1
    assert not verify(path).ok


@pytest.mark.skipif(sys.platform == "win32", reason="RLIMIT_FSIZE")
async def test_a_full_disk_refuses_the_call_leaves_no_torn_line_and_heals(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.jsonl")
    await log.append({"number": 0})
    size = log.path.stat().st_size
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 40, before[1]))
    try:
        with pytest.raises(AuditUnavailable) as refused:
            await log.append({"number": 1})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert str(tmp_path) not in refused.value.message
    assert not log.working
    assert log.path.stat().st_size == size
    await log.append({"number": 2})
    assert log.working
    await log.close()
    assert [line["number"] for line in lines(log.path)] == [0, 2]
    assert verify(log.path).ok


async def test_a_file_that_cannot_be_opened_refuses_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "elsewhere" / "audit", tmp_path / "link", tmp_path / "fifo", tmp_path):
        with pytest.raises(AuditUnavailable):
            AuditLog(path)
    assert (tmp_path / "elsewhere").read_text() == ""


async def test_fail_open_counts_what_is_lost_and_recovers(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("in the way")
    log = AuditLog(tmp_path / "logs" / "audit.jsonl", fail_open=True)
    await log.append({"number": 1})
    assert (log.lost, log.working, log.head) == (1, False, GENESIS)
    assert log.findings
    assert log.path.name == "audit.jsonl"
    (tmp_path / "logs").unlink()
    await log.append({"number": 2})
    assert (log.lost, log.working) == (1, True)
    await log.close()
    await log.append({"number": 3})
    assert log.lost == 2
    assert [line.get("lost") for line in lines(log.path)] == [1, None], "what is missing is on the record"
    assert verify(log.path).ok


async def test_an_append_after_close_is_refused(tmp_path: Path) -> None:
    log = await write(tmp_path / "audit.jsonl", 1)
    with pytest.raises(AuditUnavailable):
        await log.append({})
    await log.close()


async def test_a_caller_that_leaves_does_not_disturb_the_others(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.jsonl", fsync_interval=0)
    leaving = asyncio.ensure_future(log.append({"number": 1}))
    staying = asyncio.ensure_future(log.append({"number": 2}))
    await asyncio.sleep(0)
    leaving.cancel()
    await staying
    await log.close()
    assert leaving.cancelled()
    assert verify(log.path).lines == 2


async def test_more_records_than_one_write_takes_wait_and_are_written_in_order(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.jsonl", fsync_interval=0)
    await asyncio.gather(*(log.append({"number": number}) for number in range(1_500)))
    await log.close()
    assert [line["number"] for line in lines(log.path)] == list(range(1_500))
    assert verify(log.path).ok


async def test_a_record_that_cannot_be_put_into_words_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = AuditLog(tmp_path / "audit.jsonl", fsync_interval=0)

    def broken(value: object) -> object:
        raise RecursionError("too deep")

    with monkeypatch.context() as patched:
        patched.setattr(audit_module, "plain", broken)
        with pytest.raises(AuditUnavailable):
            await log.append({"number": 1})
    assert log.working
    await log.append({"number": 2})
    await log.close()
    assert [line["number"] for line in lines(log.path)] == [2]


async def test_odd_values_are_written_bounded_and_verifiable(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.jsonl")
    deep: list[object] = []
    for _ in range(100):
        deep = [deep]
    await log.append(
        {
            "nan": float("nan"),
            "surrogate": "\ud800",
            "long": "\U0001f600" * 10**6,
            "deep": deep,
            "object": object,
            "error": ValueError("a secret"),
            "x" * 10**6: 1,
            "huge": 10**5000,
        }
    )
    await log.close()
    assert verify(log.path).ok
    assert log.path.stat().st_size < 2**19
    assert b"a secret" not in log.path.read_bytes()


async def test_lines_reach_the_disk_within_the_interval_without_further_appends(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.jsonl", fsync_interval=0.01)
    await log.append({"number": 1})
    deadline = time.monotonic() + 5
    while log.unsynced and time.monotonic() < deadline:
        await asyncio.sleep(0.002)
    assert not log.unsynced
    await log.close()


def test_a_loop_that_was_closed_while_it_waited_harms_nobody(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.jsonl")

    async def leave() -> None:
        for _ in range(50):
            asyncio.ensure_future(log.append({"number": 1}))  # noqa: RUF006 - left behind on purpose
        await asyncio.sleep(0)

    asyncio.run(leave())
    asyncio.run(log.close())
    assert verify(log.path).ok


async def test_a_write_that_cannot_be_undone_is_repaired_by_opening_again(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.jsonl")
    await log.append({"number": 1})
    with log.path.open("ab") as file:
        file.write(b"half a li")
    assert log._ledger is not None
    log._ledger.spoiled = True  # as after a failed ftruncate, which a healthy disk does not offer
    await log.append({"number": 2})
    await log.close()
    assert verify(log.path).lines == 3
