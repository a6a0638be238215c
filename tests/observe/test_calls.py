"""The line of a call: the same bytes as any other record would be, and no secret in it either."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from typing import Any

import pytest
import structlog

from holdfast.observe.calls import SHORT, CallLines, CallRecord, call_log
from holdfast.observe.logs import LogPipe, build_logger
from holdfast.observe.record import Renderer

SECRET = "s3cr3t-token"


def redact(text: str) -> str:
    return text.replace(SECRET, "[redacted]")


class Memory:
    """A sink that keeps everything."""

    failures = 0
    tty = False

    def __init__(self) -> None:
        self.data = b""

    def write(self, data: bytes) -> None:
        self.data += data

    def close(self) -> None:
        pass

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.data.splitlines()]


def record(**fields: Any) -> CallRecord:
    plain = CallRecord(1_700_000_000.5, "ab-1", "read", "ada", "ok", 1.23456789e-05, None, 0.00001149, 12, 345)
    return plain._replace(**fields)


ODD = [
    record(),
    record(code="rate.limited", outcome="refused"),
    record(principal='o"dd\\\n\u00e9\u2603', tool="a\tb", seconds=0.0, cpu=1e-9),
    record(principal="\ud800", seconds=12345.678912345),
    record(left={"closed_handles": 2, "descriptors": -1}, bytes_in=0),
]


@pytest.mark.parametrize("format", ["json", "console"])
def test_the_short_way_writes_the_same_bytes_as_the_long_way(format: Any) -> None:
    renderer = Renderer(redact, format)
    alone = [renderer({**each.fields(), "event": "call", "level": "info", "time": each.when}) for each in ODD]
    assert CallLines(renderer).many(ODD) == b"".join(alone)


@pytest.mark.parametrize("field", ["request_id", "tool", "principal", "code"])
@pytest.mark.parametrize(
    "hidden", [SECRET, f"a {SECRET} b", SECRET[:4] + "\x00" + SECRET[4:], f"\x1b]0;{SECRET}\x07", SECRET + "\u202e"]
)
def test_a_secret_in_one_record_of_a_batch_is_not_written(field: str, hidden: str) -> None:
    written = CallLines(Renderer(redact)).many([record(), record(**{field: hidden}), record(code="x")])
    lines = [json.loads(line) for line in written.splitlines()]
    assert len(lines) == 3
    assert SECRET.encode() not in written
    assert b"\\u" not in written
    assert (lines[0]["principal"], lines[2]["code"]) == ("ada", "x")


def test_a_secret_with_characters_that_json_escapes_is_found() -> None:
    odd = 'quo"te\\and\nline'
    written = CallLines(Renderer(lambda text: text.replace(odd, "[redacted]"))).many([record(principal=odd)])
    assert json.loads(written)["principal"] == "[redacted]"


def test_a_word_of_the_line_itself_can_be_redacted_too() -> None:
    written = CallLines(Renderer(lambda text: text.replace("principal", "[redacted]"))).many([record()])
    assert b"principal" not in written


def test_a_secret_that_only_seems_to_span_two_texts_costs_time_and_hides_nothing() -> None:
    seen: list[str] = []

    def spanning(text: str) -> str:
        seen.append(text)
        return text.replace("ab-1\nread", "[redacted]")

    lines = [json.loads(line) for line in CallLines(Renderer(spanning)).many([record()]).splitlines()]
    assert (lines[0]["request_id"], lines[0]["tool"]) == ("ab-1", "read")
    assert len(seen) > 1


def test_a_redaction_that_fails_shows_nothing() -> None:
    def broken(text: str) -> str:
        raise ValueError("broken")

    line = CallLines(Renderer(broken)).many([record()])
    assert b"redaction failed" in line
    assert b"ada" not in line


def test_a_log_that_tells_no_calls_takes_none() -> None:
    pipe = LogPipe(Memory())
    assert call_log(build_logger(pipe, level="warning", format="json", redact=redact)) is None
    pipe.close()


def test_long_names_bound_fields_and_context_variables_go_the_long_way() -> None:
    sink = Memory()
    pipe = LogPipe(sink)
    log = build_logger(pipe, format="json", redact=redact)
    tell, bound = call_log(log), call_log(log.bind(shop=1))
    assert tell is not None
    assert bound is not None
    tell(record())
    tell(record(principal="p" * SHORT))
    bound(record())
    with structlog.contextvars.bound_contextvars(tenant="blue"):
        tell(record())
    pipe.close()
    short, long, of_shop, blue = sink.lines()
    assert short["time"] == "2023-11-14T22:13:20.500Z"
    assert {key: short[key] for key in ("principal", "seconds", "cpu")} == {
        "principal": "ada", "seconds": 1.2e-05, "cpu": 1.1e-05,
    }  # fmt: skip
    assert long["principal"] == "p" * SHORT
    assert (of_shop["shop"], blue["tenant"]) == (1, "blue")
    assert all(line["event"] == "call" for line in sink.lines())


def test_a_full_or_closed_pipe_counts_what_it_cannot_take_and_a_failing_writer_its_batch() -> None:
    class Failing:
        def many(self, records: list[Any]) -> bytes:
            raise RuntimeError("mistake")

    sink = Memory()
    none = LogPipe(sink, capacity=0)
    tell = call_log(build_logger(none, format="json", redact=redact))
    assert tell is not None
    tell(record())
    none.close()
    tell(record())
    assert none.lost == 2
    pipe = LogPipe(sink)
    tell = call_log(build_logger(pipe, format="json", redact=redact))
    assert tell is not None
    pipe.put_small((1,), Failing())
    pipe.put_small((2,), Failing())
    tell(record())
    pipe.close()
    assert pipe.lost == 2
    assert "call" in [line["event"] for line in sink.lines()]


def test_neither_structlog_nor_prometheus_is_loaded_by_what_every_call_uses() -> None:
    program = """
        import sys
        from holdfast.observe.calls import CallRecord, call_log
        from holdfast.observe.logs import FileSink, LogPipe, build_logger
        from holdfast.observe.metrics import Metrics
        from pathlib import Path
        pipe = LogPipe(FileSink(Path(sys.argv[1])))
        log = build_logger(pipe, redact=str)
        log.bind(a=1).info("serving", port=1)
        call_log(log)(CallRecord(0.0, "1", "tool", "ada", "ok", 0.1, None, 0.1, 1, 1))
        tool = Metrics().for_tool("tool")
        tool.started()
        tool.ended("ok", 0.1)
        pipe.close()
        assert not {"structlog", "prometheus_client"} & set(sys.modules)
    """
    argv = [sys.executable, "-c", textwrap.dedent(program), "/dev/null" if sys.platform != "win32" else "log"]
    subprocess.run(argv, check=True, env={"PYTHONPATH": ":".join(sys.path)})
