"""What a tool holds in a worker: a context that speaks, and streams whose lines stand behind its name."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from typing import Any

import pytest

from holdfast.errors import ConfigurationError
from holdfast.isolation.parcel import Brief
from holdfast.isolation.remote import NamedLines, RemoteContext, RemoteLog

Said = list[tuple[str, dict[str, Any]]]


def context(said: Said) -> RemoteContext:
    brief = Brief("tool", time.monotonic() + 5, None, 1_000, ("request", "somebody", "modern"))
    return RemoteContext(brief, lambda kind, values: said.append((kind, values)))


def test_a_context_knows_its_call_and_how_long_it_may_still_take() -> None:
    ctx = context([])
    assert (ctx.tool, ctx.request_id, ctx.principal, ctx.era) == ("tool", "request", "somebody", "modern")
    assert 4 < ctx.remaining <= 5
    assert not ctx.cancelled


def test_progress_logs_and_secrets_are_messages() -> None:
    said: Said = []
    ctx = context(said)
    ctx.wait(ctx.report_progress(1, 2, "half"))
    ctx.wait(ctx.notify_log("info", {"a": 1}))
    assert ctx.secret("hush", "key") == "hush"
    assert said == [
        ("progress", {"done": 1, "total": 2, "message": "half"}),
        ("notify", {"level": "info", "data": {"a": 1}, "logger": None}),
        ("secret", {"value": "hush", "name": "key"}),
    ]


def test_what_needs_the_server_says_so() -> None:
    ctx = context([])
    with pytest.raises(ConfigurationError, match=r"ctx\.database needs the server's process"):
        _ = ctx.database
    with pytest.raises(ConfigurationError, match="takes ctx"):
        ctx.wait(asyncio.sleep(0))
    assert not hasattr(ctx, "__wrapped__"), "what looks at objects is not told so"


def test_a_log_record_has_a_level_an_event_and_fields() -> None:
    said: Said = []
    log = RemoteLog(lambda kind, values: said.append((kind, values)), {}).bind(a=1)
    log.info("read %s of %s", 1, 2, b=2)
    log.warn("100 %", "of it")
    try:
        raise KeyError("x")
    except KeyError:
        log.exception("failed")
    (_, first), (_, second), (_, third) = said
    assert first == {"level": "info", "event": "read 1 of 2", "fields": {"a": 1, "b": 2}}
    assert (second["level"], second["event"]) == ("warning", "100 %")
    assert third["level"] == "error"
    assert "KeyError" in third["fields"]["traceback"]
    with pytest.raises(AttributeError):
        _ = log.anything


@pytest.fixture
def ends() -> Iterator[tuple[int, int]]:
    """Both ends of a pipe."""
    reading, writing = os.pipe()
    yield reading, writing
    for end in (reading, writing):
        try:
            os.close(end)
        except OSError:  # closed by the test
            continue


def test_lines_are_whole_and_behind_the_name(ends: tuple[int, int]) -> None:
    stream = NamedLines(ends[1])
    stream.name = "tool"
    print("one", file=stream)
    print("t", end="", file=stream)
    print("wo", file=stream)
    print("three", end="", file=stream)
    assert os.read(ends[0], 100) == b"tool: one\ntool: two\n"
    stream.flush()
    stream.flush()
    stream.name = ""
    print("nameless", file=stream)
    assert os.read(ends[0], 100) == b"tool: three\nnameless\n"
    assert (stream.fileno(), stream.writable()) == (ends[1], True)


def test_a_line_without_end_is_cut_and_one_that_nobody_reads_is_lost(ends: tuple[int, int]) -> None:
    stream = NamedLines(ends[1])
    assert stream.write("x" * 10_000) == 10_000
    assert len(os.read(ends[0], 20_000)) == 10_001
    os.close(ends[0])
    print("lost", file=stream)
    os.close(ends[1])
    print("lost", file=stream)
