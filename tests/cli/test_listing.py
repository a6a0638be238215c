"""``holdfast list``: everything a server offers, drawn in a terminal, plain elsewhere, without starting it."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from holdfast.cli.listing import described, sized

Write = Callable[..., Path]
FULL = """\
    from holdfast import Limits, ReadPath, Server

    print("noise")
    server = Server("full", settings={"limits.timeout": 7})

    @server.tool(read_only=True, cacheable=5, scopes={"notes"}, limits=Limits(rate="5/second", output=2048))
    def word_count(path: ReadPath) -> int:
        "Count words.\x1b]0;title\x07"
        return 0

    @server.resource("note://today")
    def today() -> str: return ""

    @server.resource("note://{day}")
    def other(day: str) -> str: return ""

    @server.prompt
    def ask(topic: str) -> str: return topic
    """


def test_everything_is_listed_in_plain_lines_without_settings(holdfast: Any, python_file: Write) -> None:
    ran = holdfast("list", python_file("full.py", FULL))
    assert (ran.status, ran.err) == (0, "noise\n")
    for heading in ("full: 1 tools", "full: 1 resources", "full: 1 templates", "full: 1 prompts"):
        assert heading in ran.out
    row = next(line for line in ran.out.splitlines() if line.startswith("word_count"))
    assert "read-only, cached 5 s, in a thread, scope notes, needs workspace" in row
    assert "7 s, 5/second, 16 at once + 64 waiting, in 1 MiB, out 2 KiB" in row
    assert row.endswith("Count words.")
    assert "\x1b" not in ran.out


def test_json_holds_schemas_facts_and_limits(holdfast: Any, python_file: Write) -> None:
    found = json.loads(holdfast("list", python_file("full.py", FULL), "--json").out)
    assert found["server"]["name"] == "full"
    tool = found["tools"][0]
    assert (tool["name"], tool["limits"]["rate"], tool["facts"]["needs"]) == ("word_count", "5/second", ["workspace"])
    assert tool["inputSchema"]["required"] == ["path"]
    assert [item["uriTemplate"] for item in found["templates"]] == ["note://{day}"]
    assert [item["uri"] for item in found["resources"]] == ["note://today"]
    assert [item["name"] for item in found["prompts"]] == ["ask"]


def test_an_empty_server_says_so(holdfast: Any, python_file: Write) -> None:
    ran = holdfast("list", python_file("bare.py", "from holdfast import Server\nserver = Server('bare')\n"))
    assert (ran.status, ran.out) == (0, "bare offers nothing yet\n")


def test_settings_that_do_not_fit_are_one_line(holdfast: Any, python_file: Write) -> None:
    ran = holdfast("list", python_file("full.py", FULL), HOLDFAST_LIMITS__TIMEOUTT="3")
    assert (ran.status, ran.out) == (2, "")
    assert "limits.timeoutt" in ran.err.lower()


def in_a_terminal(shell: Any, *words: object, **environment: str) -> str:
    ours, theirs = pty.openpty()
    done = subprocess.Popen(
        [sys.executable, "-P", "-m", "holdfast.cli", *map(str, words)],
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=subprocess.PIPE,
        cwd=shell.folder,
        env=shell.environment(TERM="xterm-256color", **environment),
    )
    os.close(theirs)
    seen = b""
    try:
        while chunk := os.read(ours, 65_536):
            seen += chunk
    except OSError:  # Linux says EIO when the other side is closed
        pass
    finally:
        os.close(ours)
        done.communicate(timeout=60)
    assert done.returncode == 0
    return seen.decode()


def test_a_terminal_gets_a_drawn_table_in_colour_unless_it_says_no(holdfast: Any, python_file: Write) -> None:
    file = python_file("full.py", FULL)
    drawn = in_a_terminal(holdfast, "list", file)
    assert "│" in drawn
    assert "\x1b[1;36m" in drawn
    assert "\x1b]0;title" not in drawn
    plain = in_a_terminal(holdfast, "list", file, NO_COLOR="1")
    assert "│" in plain
    assert "\x1b[1;36m" not in plain
    assert "36m" not in plain


def test_the_help_is_drawn_in_a_terminal(holdfast: Any) -> None:
    assert "╭" in in_a_terminal(holdfast, "--help")


def test_facts_that_hold_by_default_are_left_out() -> None:
    none = dict.fromkeys(("read_only", "idempotent", "destructive", "open_world", "lenient"), False)
    assert described({**none, "cacheable": 0.0, "isolation": "inline", "scopes": [], "needs": []}) == "-"
    assert described({**none, "cacheable": 0.0, "isolation": "process", "scopes": [], "needs": []}) == "in a process"


def test_sizes_are_short() -> None:
    assert [sized(n) for n in (10, 1536, 1024**2, 5 * 1024**3)] == ["10 B", "1.5 KiB", "1 MiB", "5 GiB"]
