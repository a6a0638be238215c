"""Logging never waits, never raises, and never writes a secret."""

from __future__ import annotations

import datetime
import enum
import io
import json
import logging
import os
import re
import select
import subprocess
import sys
import textwrap
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from holdfast.core.clock import SystemClock
from holdfast.errors import ConfigurationError
from holdfast.observe import pipe as pipe_module
from holdfast.observe.logs import FileSink, LogPipe, StderrSink, build_logger, capture_stdlib
from holdfast.observe.record import MAX_FIELD, Renderer

SECRET = "s3cr3t-token"


def redact(text: str) -> str:
    return text.replace(SECRET, "[redacted]")


class Memory:
    """A sink that keeps everything; ``open`` lets its writer through."""

    def __init__(self, tty: bool = False) -> None:
        self.failures = 0
        self.tty = tty
        self.data = b""
        self.open = threading.Event()
        self.open.set()
        self.busy = threading.Event()

    def write(self, data: bytes) -> None:
        self.busy.set()
        self.open.wait()
        self.data += data

    def close(self) -> None:
        self.open.set()

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.data.splitlines()]


@pytest.fixture
def sink() -> Memory:
    return Memory()


@pytest.fixture
def pipe(sink: Memory) -> Iterator[LogPipe]:
    pipe = LogPipe(sink)
    yield pipe
    pipe.close()


def logged(pipe: LogPipe, sink: Memory, **options: Any) -> tuple[Any, Callable[[], list[dict[str, Any]]]]:
    log = build_logger(pipe, redact=redact, **({"format": "json"} | options))

    def finish() -> list[dict[str, Any]]:
        pipe.close()
        return sink.lines()

    return log, finish


class FixedClock(SystemClock):
    wall = staticmethod(lambda: 1_700_000_000.5)


def test_a_record_is_one_line_of_json_with_time_level_and_event_first(pipe: LogPipe, sink: Memory) -> None:
    log, finish = logged(pipe, sink, clock=FixedClock())
    log.bind(tool="read_note").warning("slow call", seconds=1.5)
    (line,) = finish()
    assert list(line) == ["time", "level", "event", "tool", "seconds"]
    assert line["time"] == "2023-11-14T22:13:20.500Z"
    assert (line["level"], line["event"], line["tool"], line["seconds"]) == ("warning", "slow call", "read_note", 1.5)


def test_a_record_below_the_level_is_never_built(pipe: LogPipe, sink: Memory) -> None:
    class Explosive:
        def __repr__(self) -> str:
            raise AssertionError("built")

    log, finish = logged(pipe, sink, level="warning")
    log.info("nothing", value=Explosive())
    log.error("something")
    assert [line["event"] for line in finish()] == ["something"]


def test_an_unknown_level_is_a_configuration_error(pipe: LogPipe) -> None:
    with pytest.raises(ConfigurationError, match="debug, info"):
        build_logger(pipe, level="loud", redact=redact)


def test_a_secret_is_redacted_at_every_depth_in_keys_and_in_the_event(pipe: LogPipe, sink: Memory) -> None:
    log, finish = logged(pipe, sink)
    nested = {"list": [1, {"deep": f"a {SECRET} b"}], f"key {SECRET}": (SECRET.encode(), {SECRET})}
    log.info(f"event {SECRET}", **{f"field {SECRET}": nested}, path=Path("/x") / SECRET)
    (line,) = finish()
    assert SECRET not in sink.data.decode()
    assert sink.data.count(b"[redacted]") == 7
    assert line["field [redacted]"]["list"][1]["deep"] == "a [redacted] b"


def test_a_secret_split_by_control_characters_is_joined_before_it_is_redacted(pipe: LogPipe, sink: Memory) -> None:
    log, finish = logged(pipe, sink)
    log.info("x", a="s3cr\u200b3t-\x00token", b="s3c\x1b[31mr3t-token", c="\x1b]0\x07ok\r\x9b2J", d="a\nb")
    (line,) = finish()
    assert (line["a"], line["b"], line["c"], line["d"]) == ("[redacted]", "[redacted]", "ok", "a\nb")


def test_an_exception_shows_type_redacted_message_and_traceback_but_no_locals(pipe: LogPipe, sink: Memory) -> None:
    log, finish = logged(pipe, sink)

    def fail() -> None:
        local_value = "only-in-a-local"
        raise ValueError(f"bad token {SECRET}" + local_value[:0])

    try:
        try:
            fail()
        except ValueError as inner:
            raise RuntimeError("outer") from inner
    except RuntimeError as error:
        log.exception("call failed")
        log.error("call failed", exc_info=error)
        log.error("call failed", exc_info=sys.exc_info())
        log.info("a value", error=error, exc_info=(None, None, None))
    log.info("none", exc_info=False)
    first, second, third, fourth, fifth = finish()
    assert first["level"] == "error"
    for line in (first, second, third):
        assert line["exception"]["type"] == "RuntimeError"
        assert "ValueError: bad token [redacted]" in line["exception"]["traceback"]
        assert "in fail" in line["exception"]["traceback"]
    assert fourth["error"]["message"] == "outer"
    assert "exception" not in fourth | fifth
    assert SECRET.encode() not in sink.data
    assert b"only-in-a-local" not in sink.data.replace(b'local_value = "only-in-a-local"', b"")


def test_long_fields_are_cut_after_redaction_so_that_no_half_of_a_secret_shows(pipe: LogPipe, sink: Memory) -> None:
    log, finish = logged(pipe, sink)
    for offset in range(len(SECRET) + 2):
        log.info("x", at_field="a" * (MAX_FIELD - offset) + SECRET)
        log.info("x", at_cut="a" * (2 * MAX_FIELD - offset) + SECRET + "b")
        log.info("x", shrinking=SECRET * 1300 + "b" * MAX_FIELD, **{"k" * (2 * MAX_FIELD - offset) + SECRET: 1})
    try:
        raise ValueError("m" * (2 * MAX_FIELD - 5) + SECRET)
    except ValueError:
        log.exception("x")
    for line in finish():
        for value in [*line, *line.values()]:
            assert len(str(value)) <= 2 * MAX_FIELD + 500  # an exception holds message and traceback
        assert "s3" not in json.dumps(line)


def test_a_value_is_written_as_it_was_when_it_was_logged(pipe: LogPipe, sink: Memory) -> None:
    log, finish = logged(pipe, sink)
    sink.open.clear()
    value = {"list": [1]}
    log.info("x", value=value)
    value["list"].append(2)
    sink.open.set()
    assert finish()[0]["value"] == {"list": [1]}


class Colour(enum.Enum):
    RED = "red"


class Broken:
    def __repr__(self) -> str:
        raise RuntimeError("broken")


def test_odd_values_cost_neither_the_record_nor_the_thread(pipe: LogPipe, sink: Memory) -> None:
    log, finish = logged(pipe, sink)
    deep: list[Any] = []
    for _ in range(50):
        deep = [deep]
    loop: list[Any] = []
    loop.append(loop)
    log.info(
        "x",
        numbers=[float("nan"), 10**5000, True, None, 2.5],
        broken=Broken(),
        deep=deep,
        loop=loop,
        colour=Colour.RED,
        when=datetime.timedelta(seconds=1),
        many=list(range(1000)),
        mapping={str(number): number for number in range(1000)},
        lone="\ud800",
        huge="h" * 10**7,
        text=type("Text", (str,), {})("kept"),
        level_of=logging.INFO,
        flag=enum.IntFlag("Flag", "A B")(1),
        real=type("Real", (float,), {})(1.5),
    )
    log.info("wide", wide=[[number] * 50 for number in range(90)])
    first, second = finish()
    assert first["numbers"] == ["nan", "<integer of 16610 bits>", True, None, 2.5]
    assert (first["broken"], first["colour"], first["when"], first["text"]) == ("<Broken>", "red", "0:00:01", "kept")
    assert first["many"][-1] == "... 900 more"
    assert first["mapping"]["..."] == 900
    assert (first["lone"], first["real"]) == ("?", 1.5)
    assert "..." in json.dumps(first["deep"])
    assert "..." in json.dumps(second["wide"])
    assert len(sink.data) < 100_000


def test_a_redaction_that_fails_shows_nothing(sink: Memory) -> None:
    def broken(text: str) -> str:
        raise re.error("broken")

    pipe = LogPipe(sink)
    build_logger(pipe, format="json", redact=broken).info(SECRET)
    pipe.close()
    assert SECRET.encode() not in sink.data
    assert "redaction failed" in json.dumps(sink.lines())


def test_the_console_form_is_one_line_a_record_and_a_traceback_is_indented() -> None:
    sink = Memory(tty=True)
    pipe = LogPipe(sink)
    log = build_logger(pipe, redact=redact, clock=FixedClock())
    log.info("ready", port=1, note="a\n2023-11-14T22:13:20.500Z ERROR forged")
    try:
        raise ValueError("wrong")
    except ValueError:
        log.exception("failed")
    log.info("odd", exception="text")
    pipe.close()
    first, *rest = sink.data.decode().splitlines()
    assert first == "2023-11-14T22:13:20.500Z INFO     ready port=1 note=a\\n2023-11-14T22:13:20.500Z ERROR forged"
    assert rest[0].endswith("failed")
    assert all(row.startswith("    ") for row in rest[1:-1])
    assert rest[-2].endswith("ValueError: wrong")
    assert rest[-1].endswith("odd exception=text")


def test_a_full_pipe_drops_and_counts_without_waiting_and_says_so_when_there_is_room(sink: Memory) -> None:
    pipe = LogPipe(sink, capacity=10)
    log = build_logger(pipe, format="json", redact=redact)
    sink.open.clear()
    log.info("first")
    assert sink.busy.wait(5)
    began = time.monotonic()
    for number in range(1_000):
        log.info("flood", number=number)
    assert time.monotonic() - began < 1
    assert pipe.lost == 990
    sink.open.set()
    pipe.close()
    lines = sink.lines()
    assert lines[-1] == lines[-1] | {"event": "990 log records lost", "lost": 990, "level": "warning"}
    assert len(lines) == 12


def test_waiting_records_are_bounded_in_size_too(sink: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipe_module, "MAX_WEIGHT", 100_000)
    pipe = LogPipe(sink)
    log = build_logger(pipe, format="json", redact=redact)
    sink.open.clear()
    for _ in range(100):
        log.info("x", text="t" * 10_000)
    assert pipe.lost > 80
    sink.open.set()
    pipe.close()


def test_many_threads_and_many_batches_lose_nothing(pipe: LogPipe, sink: Memory) -> None:
    log, finish = logged(pipe, sink)
    threads = [threading.Thread(target=lambda: [log.info("x") for _ in range(500)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(finish()) == 4_000
    assert pipe.lost == 0


def test_closing_a_pipe_whose_sink_is_stuck_returns_in_time_and_counts(sink: Memory) -> None:
    sink.close = lambda: None  # type: ignore[method-assign]
    pipe = LogPipe(sink)
    log = build_logger(pipe, format="json", redact=redact)
    sink.open.clear()
    log.info("first")
    assert sink.busy.wait(5)
    log.info("second")
    began = time.monotonic()
    pipe.close(timeout=0.05)
    assert time.monotonic() - began < 2
    assert pipe.lost > 0
    log.info("after")
    sink.open.set()
    pipe.close()


def test_a_record_that_cannot_be_rendered_and_a_sink_that_raises_end_nothing(sink: Memory) -> None:
    class Raising(Memory):
        def write(self, data: bytes) -> None:
            if b"bad" in data:
                raise RuntimeError("sink")
            super().write(data)

    raising = Raising()
    pipe = LogPipe(raising)
    pipe.put({"no": "time"}, Renderer(redact))
    log = build_logger(pipe, format="json", redact=redact)
    log.info("bad")
    while not raising.failures:
        time.sleep(0.001)
    log.info("good")
    pipe.close()
    assert "good" in [line["event"] for line in raising.lines()]
    assert pipe.lost == 2, "the one that could not be rendered, and the one that the sink did not take"


def test_standard_logging_and_warnings_go_through_the_pipe_until_undone(
    pipe: LogPipe, sink: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigurationError):
        capture_stdlib(LogPipe(Memory()))
    _, finish = logged(pipe, sink)
    library = logging.getLogger("some.library")
    stream = logging.StreamHandler(sys.stdout)
    library.addHandler(stream)
    library.propagate = False
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])  # pytest's own raise when a message does not fit its arguments
    before = (root.level, list(root.handlers), warnings.showwarning)
    undo = capture_stdlib(pipe, "info")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        library.info("token %s", SECRET)
        library.debug("too low")
        library.warning("broken %d", "format")
        try:
            raise KeyError(SECRET)
        except KeyError:
            logging.getLogger("other").exception("failed")
        warnings.warn("old " + SECRET, UserWarning, stacklevel=1)
    undo()
    undo()
    assert (root.level, list(root.handlers), warnings.showwarning) == before
    assert library.handlers == [stream]
    assert not library.propagate
    library.removeHandler(stream)
    library.propagate = True
    lines = finish()
    assert [line["event"] for line in lines[:3]] == ["token [redacted]", "broken %d", "failed"]
    assert lines[0]["logger"] == "some.library"
    assert lines[2]["exception"]["type"] == "KeyError"
    assert "UserWarning: old [redacted]" in lines[3]["event"]
    assert SECRET.encode() not in sink.data


def test_what_the_pipes_own_thread_logs_is_not_fed_back(sink: Memory) -> None:
    def chatty(text: str) -> str:
        logging.getLogger("redaction").warning("looked at a text")
        return text

    pipe = LogPipe(sink)
    log = build_logger(pipe, format="json", redact=chatty)
    undo = capture_stdlib(pipe, "debug")
    try:
        log.info("one")
        pipe.close()
    finally:
        undo()
    assert [line["event"] for line in sink.lines()] == ["one"]


def test_a_warning_for_a_named_file_goes_there(pipe: LogPipe, sink: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    _, finish = logged(pipe, sink)
    shown: list[Any] = []
    monkeypatch.setattr(warnings, "showwarning", lambda *args: shown.append(args))
    undo = capture_stdlib(pipe)
    there = io.StringIO()
    warnings.showwarning("elsewhere", UserWarning, "x.py", 1, there)
    undo()
    assert shown == [("elsewhere", UserWarning, "x.py", 1, there)]
    assert finish() == []


def test_showwarning_replaced_by_somebody_else_meanwhile_is_left_alone(pipe: LogPipe, sink: Memory) -> None:
    logged(pipe, sink)
    before = warnings.showwarning
    undo = capture_stdlib(pipe)
    theirs = warnings.showwarning = lambda *args, **kwargs: None  # type: ignore[assignment]
    undo()
    assert warnings.showwarning is theirs
    warnings.showwarning = before


STUCK = """
    import sys, time, threading
    from holdfast.observe.logs import LogPipe, StderrSink, build_logger
    pipe = LogPipe(StderrSink())
    log = build_logger(pipe, redact=str)
    began = time.monotonic()
    for number in range(30_000):
        log.info("nobody reads this", filler="x" * 100, number=number)
    took = time.monotonic() - began
    lost = pipe.lost
    if "close" in sys.argv:
        pipe.close(timeout=0.1)
    print(f"{took:.3f} {lost}", flush=True)
"""


@pytest.mark.parametrize("argument", ["close", "leave"])
def test_a_stderr_that_nobody_reads_blocks_neither_a_call_nor_the_exit(argument: str) -> None:
    argv = [sys.executable, "-c", textwrap.dedent(STUCK), argument]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) as child:
        assert child.stdout is not None
        out = child.stdout.read().split()
        assert child.wait(20) == 0
    assert float(out[0]) < 15
    assert int(out[1]) > 0


def test_stderr_is_written_through_a_duplicate_of_the_descriptor() -> None:
    reader, writer = os.pipe()
    sink = StderrSink(writer)
    os.close(writer)
    sink.write(b"a line\n")
    sink.write(b"x" * 60_000)
    assert not sink.tty
    sink.close()
    sink.close()
    with open(reader, "rb") as file:
        assert file.read() == b"a line\n" + b"x" * 60_000
    assert sink.failures == 0


def test_into_a_file_a_line_goes_in_one_piece_as_others_write_there_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (tmp_path / "stderr").open("wb") as file:
        sink = StderrSink(file.fileno())
        write, pieces = os.write, []

        def written(fd: int, data: bytes | memoryview) -> int:
            count = write(fd, data)
            pieces.append(count)
            write(fd, b"somebody else\n")
            return count

        monkeypatch.setattr(os, "write", written)
        sink.write(b"x" * 60_000 + b"\n")
        monkeypatch.undo()
        sink.close()
    assert pieces == [60_001]
    assert (tmp_path / "stderr").read_bytes() == b"x" * 60_000 + b"\nsomebody else\n"


def test_a_reader_that_left_is_counted() -> None:
    reader, writer = os.pipe()
    sink = StderrSink(writer)
    os.close(reader)
    os.close(writer)
    sink.write(b"lost\n")
    sink.close()
    assert sink.failures == 1


def test_closing_gives_up_a_write_that_waits_for_its_reader() -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)  # a shared description that somebody else made non-blocking
    sink = StderrSink(writer)
    thread = threading.Thread(target=sink.write, args=(b"x" * 2**20,))
    thread.start()
    while select.select([], [writer], [], 0)[1]:
        time.sleep(0.001)
    sink.close()
    thread.join(5)
    assert not thread.is_alive()
    assert sink.failures == 1
    os.close(reader)
    os.close(writer)


def test_a_process_without_stderr_still_logs_to_nowhere() -> None:
    spare = os.dup(2)
    os.close(spare)
    sink = StderrSink(spare)
    sink.write(b"nowhere\n")
    sink.close()
    assert sink.failures == 0


def test_a_file_is_private_and_rotated_by_size(tmp_path: Path) -> None:
    sink = FileSink(tmp_path / "logs" / "server.log", max_bytes=100, backups=2)
    for number in range(10):
        sink.write(f"{number} {'x' * 57}\n".encode())
    sink.close()
    names = sorted(each.name for each in (tmp_path / "logs").iterdir())
    assert names == ["server.log", "server.log.1", "server.log.2"]
    assert (tmp_path / "logs" / "server.log").read_bytes()[:1] == b"8"
    assert (tmp_path / "logs" / "server.log.2").read_bytes()[:1] == b"4"
    assert all(each.stat().st_mode & 0o777 == 0o600 for each in (tmp_path / "logs").iterdir())
    sink.write(b"after close\n")
    assert sink.failures == 1


def test_without_backups_the_full_file_is_dropped(tmp_path: Path) -> None:
    sink = FileSink(tmp_path / "log", max_bytes=10, backups=0)
    sink.write(b"0123456789\n")
    sink.write(b"next\n")
    sink.close()
    assert [each.read_bytes() for each in tmp_path.iterdir()] == [b"next\n"]


def test_two_writers_of_one_file_follow_each_others_rotation(tmp_path: Path) -> None:
    first, second = (FileSink(tmp_path / "log", max_bytes=50, backups=9) for _ in range(2))
    for number in range(10):
        (first if number % 2 else second).write(f"{number} {'x' * 27}\n".encode())
    first.close()
    second.close()
    written = b"".join(each.read_bytes() for each in tmp_path.iterdir())
    assert sorted(int(line[:1]) for line in written.splitlines()) == list(range(10))
    assert len(list(tmp_path.iterdir())) == 5


def test_links_fifos_and_a_missing_permission_are_counted_not_raised(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    os.mkfifo(tmp_path / "fifo")
    reader = os.open(tmp_path / "fifo", os.O_RDONLY | os.O_NONBLOCK)
    for name in ("link", "fifo", "real/below"):
        sink = FileSink(tmp_path / name)
        sink.write(b"x\n")
        assert sink.failures == 1
        sink.close()
    os.close(reader)
    assert (tmp_path / "real").read_bytes() == b""


@pytest.mark.skipif(not hasattr(os, "O_NOFOLLOW"), reason="RLIMIT_FSIZE")
def test_a_full_disk_is_counted_and_the_next_line_starts_afresh(tmp_path: Path) -> None:
    import resource
    import signal

    sink = FileSink(tmp_path / "log")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (6, before[1]))
    try:
        sink.write(b"0123456789\n")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert sink.failures == 1
    sink.write(b"whole\n")
    sink.close()
    assert (tmp_path / "log").read_bytes() == b"012345\nwhole\n"


def test_a_rotation_that_another_process_did_first_is_not_repeated(tmp_path: Path) -> None:
    sink = FileSink(tmp_path / "log", max_bytes=10)
    sink.write(b"0123456789\n")
    assert sink._fd is not None
    (tmp_path / "log").rename(tmp_path / "theirs")
    (tmp_path / "log").write_bytes(b"new\n")
    sink._rotate(sink._fd)
    sink.close()
    assert not (tmp_path / "log.1").exists()
