"""``holdfast run`` as a process: nothing but the protocol on stdout, one line for each mistake, clean ends."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Write = Callable[..., Path]
HELLO = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "test", "version": "1"},
}


def ask(process: subprocess.Popen[str], method: str, number: int, **params: Any) -> Any:
    assert process.stdin is not None
    assert process.stdout is not None
    message = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
    process.stdin.write(json.dumps(message) + "\n")
    process.stdin.flush()
    reply = json.loads(process.stdout.readline())
    assert reply["id"] == number
    return reply["result"]


def test_a_server_is_served_over_stdio_and_no_print_reaches_the_wire(holdfast: Any, hello: Path) -> None:
    process = holdfast.start("run", hello)
    assert ask(process, "initialize", 1, **HELLO)["serverInfo"]["name"] == "hello"
    process.stdin.write('{"jsonrpc": "2.0", "method": "notifications/initialized"}\n')
    assert [tool["name"] for tool in ask(process, "tools/list", 2)["tools"]] == ["greet"]
    answer = ask(process, "tools/call", 3, name="greet", arguments={"name": "Ada"})
    assert answer["content"] == [{"type": "text", "text": "Hello, Ada!"}]
    out, err = process.communicate(timeout=30)  # closes stdin: the client leaves
    assert (process.returncode, out) == (0, "")
    assert "import-time noise" in err
    assert "raw noise" in err


def test_settings_beside_the_file_and_named_ones_count(holdfast: Any, python_file: Write) -> None:
    file = python_file("inner/one.py", "from holdfast import Server\nserver = Server('one')\n")
    python_file("inner/holdfast.toml", "[limits]\nnonsense = 1\n")
    ran = holdfast.run("run", file)
    assert (ran.status, ran.out) == (2, "")
    assert "limits.nonsense" in ran.err
    good = python_file("good.toml", "[limits]\ntimeout = 1\n")
    assert holdfast.run("run", file, "--config", good).status == 0  # standard input is empty: it ends at once


@pytest.mark.parametrize(
    "words, said",
    [
        (["--port", "1"], "--port needs --http"),
        (["--host", "::1"], "--host needs --http"),
        (["--auth"], "--auth needs --http"),
        (["--http", "--port", "70000"], "65535"),
        (["--http", "--host", "0.0.0.0", "--port", "0"], "HTTP beyond loopback needs authentication"),
        (["--http", "--auth", "--port", "0"], "no tokens are set"),
        (["--config", "absent.toml"], "absent.toml is not a file"),
    ],
)
def test_what_makes_no_sense_is_refused_with_status_2(holdfast: Any, hello: Path, words: list[str], said: str) -> None:
    # what serves over HTTP forks, which this process must not
    ran = (holdfast.run if "--http" in words else holdfast)("run", hello, *words)
    assert (ran.status, said in ran.err, "Traceback" in ran.err) == (2, True, False)


def test_a_file_that_fails_at_import_is_one_line_and_nothing_is_on_the_wire(holdfast: Any, python_file: Write) -> None:
    file = python_file("bad.py", "print('noise')\nx = 1\n\nx / 0\n")
    ran = holdfast.run("run", file)
    assert (ran.status, ran.out) == (2, "")
    assert ran.err == "noise\nholdfast: bad.py:4: ZeroDivisionError: division by zero (--debug shows the traceback)\n"
    assert "Traceback" in holdfast.run("run", file, "--debug").err


def serving(process: subprocess.Popen[str]) -> str:
    """The address at which a server says that it serves."""
    assert process.stderr is not None
    for line in process.stderr:
        if found := re.search(r"http://[^\s\"]+", line):
            return found[0].removesuffix("/mcp")
    raise AssertionError("the server ended before it served")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_http_is_served_until_a_signal_comes(
    holdfast: Any, hello: Path, http_status: Callable[[str], int], number: int
) -> None:
    process = holdfast.start("run", hello, "--http", "--port", "0")
    assert http_status(serving(process) + "/livez") == 200
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "Traceback" not in err


def test_auth_asks_callers_for_a_token(holdfast: Any, hello: Path, http_status: Callable[[str], int]) -> None:
    process = holdfast.start(
        "run", hello, "--http", "--port", "0", "--auth", HOLDFAST_AUTH__TOKENS="a-long-canary-token"
    )
    assert http_status(serving(process) + "/mcp") == 401
    process.terminate()
    process.communicate(timeout=30)
    assert process.returncode == 0
