"""``holdfast call`` in a process of its own: the answer on stdout and nothing else, the exit status for scripts."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from holdfast import Image, Server
from holdfast.cli.call import answer

Write = Callable[..., Path]


def test_a_tool_is_called_and_nothing_but_its_answer_is_on_stdout(holdfast: Any, hello: Path) -> None:
    ran = holdfast.run("call", hello, "greet", "--json", '{"name": "Ada"}')
    assert (ran.status, ran.out) == (0, "Hello, Ada!\n")
    assert all(noise in ran.err for noise in ("import-time noise", "raw noise", "call-time noise"))
    assert '"event"' not in ran.err  # no log unless something is wrong


@pytest.fixture
def stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command in this process may not leave with ``os._exit``, whatever threads other tests have left."""
    monkeypatch.setattr("holdfast.wire.serve.finish", sys.exit)


@pytest.mark.usefixtures("stays")
def test_arguments_may_come_as_pairs_or_on_standard_input(holdfast: Any, hello: Path) -> None:
    words = ("call", f"{hello}:server", "greet", "--json", "-", "name=41", "--raw")
    result = json.loads(holdfast(*words, stdin='{"name": "x"}').out)
    assert (result["content"], result["isError"]) == ([{"type": "text", "text": "Hello, 41!"}], False)
    assert holdfast("call", hello, "greet", "name=Ada").out == "Hello, Ada!\n"


@pytest.mark.usefixtures("stays")
def test_a_refused_call_ends_with_status_1_and_the_reason(holdfast: Any, hello: Path) -> None:
    ran = holdfast("call", hello, "greet", "--json", '{"name": 3}')
    assert (ran.status, ran.out) == (1, "")
    assert "error: name takes a string [arguments.invalid]" in ran.err
    raw = holdfast("call", hello, "greet", "--raw")
    assert (raw.status, json.loads(raw.out)["_meta"]["io.holdfast/code"]) == (1, "arguments.invalid")


def test_a_tool_in_a_process_of_its_own_is_found_there(holdfast: Any, python_file: Write) -> None:
    text = """\
        import multiprocessing
        from holdfast import Server
        server = Server("apart")

        @server.tool(isolation="process")
        def where(name: str) -> str:
            return f"{name} in a child: {multiprocessing.parent_process() is not None}"
        """
    ran = holdfast.run("call", python_file("my-apart.py", text), "where", "name=it")
    assert (ran.status, ran.out) == (0, "it in a child: True\n")
    refused = holdfast("call", python_file("json.py", text), "where", "name=it")
    assert refused.status == 2
    assert "json.py is called like an installed module" in refused.err


def test_what_cannot_be_called_is_a_usage_error_in_one_line(holdfast: Any, hello: Path) -> None:
    ran = holdfast("call", hello, "great")
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.splitlines()[-1] == "holdfast: hello has no tool of that name; it has: greet"
    assert holdfast("call", hello, "greet", "--json", "{").status == 2
    assert holdfast("call", hello).status == 2


def test_a_missing_workspace_is_a_usage_error(holdfast: Any, python_file: Write) -> None:
    text = """\
        from holdfast import ReadPath, Server
        server = Server("files")

        @server.tool
        async def read(path: ReadPath) -> str:
            return await path.read_text()
        """
    ran = holdfast("call", python_file("files.py", text), "read", "path=x")
    assert ran.status == 2
    assert ran.err == "holdfast: tool read needs a workspace folder: set HOLDFAST_WORKSPACE\n"


HANGS = """\
    import threading

    from holdfast import Limits, Server

    server = Server("hangs")

    @server.tool(limits=Limits(timeout=0.2))
    def hang() -> str:
        threading.Event().wait()

    @server.tool
    async def wait() -> str:
        import asyncio, sys
        print("waiting", file=sys.stderr, flush=True)
        await asyncio.Event().wait()
    """


def test_a_tool_that_hangs_in_a_thread_does_not_hold_up_the_command(holdfast: Any, python_file: Write) -> None:
    ran = holdfast.run("call", python_file("hangs.py", HANGS), "hang")
    assert ran.status == 1
    assert "[deadline.exceeded]" in ran.err


@pytest.mark.parametrize("number, status", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_call_and_no_traceback_is_shown(
    holdfast: Any, python_file: Write, number: int, status: int
) -> None:
    process = holdfast.start("call", python_file("hangs.py", HANGS), "wait")
    assert process.stderr.readline() == "waiting\n"
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (status, "")
    assert "Traceback" not in err


async def test_what_the_protocol_refuses_is_an_error_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server("asks", settings={"state": tmp_path})

    @server.tool
    async def picture() -> Image:
        return Image(b"abc")

    assert (await answer(server, "picture", {}))["content"][0]["mimeType"] == "image/png"
    refused = await answer(server, "absent", {})
    assert refused["isError"]
    assert "unknown tool" in refused["content"][0]["text"]
