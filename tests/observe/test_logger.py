"""The bound logger has structlog's methods and meanings, and loads structlog only for the rarer ones."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from holdfast.observe.logger import Logger
from holdfast.observe.logs import LogPipe, build_logger


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


class Kept:
    """A logger and what it wrote."""

    def __init__(self, level: str = "debug") -> None:
        self.sink = Memory()
        self.pipe = LogPipe(self.sink)
        self.log = build_logger(self.pipe, level=level, format="json", redact=str)

    def lines(self) -> list[dict[str, Any]]:
        self.pipe.close()
        return [json.loads(line) for line in self.sink.data.splitlines()]


@pytest.fixture
def kept() -> Iterator[Kept]:
    kept = Kept()
    yield kept
    kept.pipe.close()


def test_each_method_writes_at_its_level(kept: Kept) -> None:
    for name in ("debug", "info", "msg", "warning", "warn", "error", "critical", "fatal"):
        getattr(kept.log, name)(name)
    kept.log.exception("exception")
    levels = [line["level"] for line in kept.lines()]
    assert levels == ["debug", "info", "info", "warning", "warning", "error", "critical", "critical", "error"]


def test_the_level_decides_what_is_written() -> None:
    kept = Kept("error")
    for name in ("debug", "info", "warning", "error", "critical", "exception"):
        getattr(kept.log, name)(name)
    assert [line["event"] for line in kept.lines()] == ["error", "critical", "exception"]


def test_binding_returns_another_logger(kept: Kept) -> None:
    bound = kept.log.bind(a=1, b=2)
    assert bound == kept.log.bind(a=1, b=2)
    assert bound != kept.log
    assert "a, b" in repr(bound)
    assert "nothing" in repr(kept.log)
    bound.info("both", a=3)
    bound.unbind("a").info("one")
    bound.try_unbind("a", "c").info("tried")
    bound.new(c=3).info("new")
    with pytest.raises(KeyError):
        bound.unbind("c")
    fields = [{key: line[key] for key in line if key in "abc"} for line in kept.lines()]
    assert fields == [{"a": 3, "b": 2}, {"b": 2}, {"b": 2}, {"c": 3}]


def test_the_event_is_filled_in_as_structlog_does(kept: Kept) -> None:
    kept.log.info("%s of %d", "one", 2)
    kept.log.info("%(a)s", {"a": "mapped"})
    kept.log.info("100 %")
    kept.log.info(event="named", level="mine", number=1)
    kept.log.info()
    assert [line["event"] for line in kept.lines()] == ["one of 2", "mapped", "100 %", "named", ""]


async def test_what_is_rarer_is_structlogs_own_over_the_same_pipe(kept: Kept) -> None:
    bound = kept.log.bind(a=1)
    await bound.ainfo("ainfo")
    await bound.awarning("awarning")
    await bound.aerror("aerror")
    await bound.adebug("adebug")
    bound.log(logging.CRITICAL, "log")
    try:
        raise ValueError("wrong")
    except ValueError:
        await bound.aexception("aexception")
    assert bound.is_enabled_for(logging.DEBUG)
    lines = kept.lines()
    assert [line["event"] for line in lines] == ["ainfo", "awarning", "aerror", "adebug", "log", "aexception"]
    assert [line["level"] for line in lines] == ["info", "warning", "error", "debug", "critical", "error"]
    assert all(line["a"] == 1 for line in lines)
    assert lines[-1]["exception"]["type"] == "ValueError"


def test_context_variables_are_added_but_never_win(kept: Kept) -> None:
    with structlog.contextvars.bound_contextvars(a="variable", b="variable"):
        kept.log.info("x", a="field")
    (line,) = kept.lines()
    assert (line["a"], line["b"]) == ("field", "variable")


def test_no_private_name_is_sought_in_structlog(kept: Kept) -> None:
    assert not hasattr(kept.log, "_nothing")
    assert not hasattr(Logger, "ainfo")
