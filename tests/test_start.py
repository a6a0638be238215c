"""What a start loads: nothing before it is needed, held by looking at the modules of real processes."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import holdfast

AWAY = frozenset(
    {
        # libraries, in the order of what they cost
        "mcp", "mcp_types", "starlette", "uvicorn", "httpx2", "httpcore2", "anyio", "opentelemetry", "cryptography",
        "sse_starlette", "sqlglot", "sqlalchemy", "typer", "click", "yaml", "pydantic_settings", "dotenv", "jinja2",
        "jsonschema", "jsonschema_rs", "re2", "psutil", "idna", "redis", "hypothesis", "multipart",
        "structlog", "rich", "attr", "prometheus_client",
        # of the standard library
        "tomllib", "argparse", "sqlite3", "difflib", "multiprocessing", "unittest", "xml", "ctypes.util", "wsgiref",
        "http", "html",
    }
)  # fmt: skip
"""What a server that takes one call never loads. To be extended as rooms get lighter."""
SLOW = frozenset(
    {
        "asyncio", "argparse", "base64", "concurrent", "ctypes", "dataclasses", "datetime", "decimal", "difflib",
        "email", "hashlib", "http", "inspect", "ipaddress", "json", "logging", "multiprocessing", "pathlib", "random",
        "secrets", "shutil", "socket", "sqlite3", "ssl", "subprocess", "tempfile", "textwrap", "threading", "tomllib",
        "traceback", "urllib", "uuid", "xml", "zipfile",
    }
)  # fmt: skip
"""Of the standard library, what `import holdfast` alone must not load."""
IN_PROCESS = """
import asyncio
import sys

from holdfast import Server

server = Server("light")


@server.tool
async def add(a: int, b: int) -> int:
    "Add two integers."
    return a + b


class Session:
    era = "handshake"

    def offers(self, capability):
        return False


async def main():
    from holdfast.core.endpoint import Request
    from holdfast.core.principal import Principal

    async with server.serving() as live:
        live.listed("tools", Principal("local"))
        answer = await live.handle(Request("tool", "add", {"a": 1, "b": 2}, Principal("local"), Session()))
        assert answer.body["structuredContent"] == {"result": 3}
        print(*sys.modules)


asyncio.run(main())
"""
OVER_STDIO = """
import sys

from holdfast import Server

server = Server("light")


@server.tool
async def loaded() -> str:
    "What is loaded when the first call is answered."
    return " ".join(sys.modules)


if __name__ == "__main__":
    server.main()
"""


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"STATE": "state", "LOG__FILE": "log"}.items():
        monkeypatch.setenv(f"HOLDFAST_{name}", str(tmp_path / value))


def run(*words: str) -> set[str]:
    ran = subprocess.run([sys.executable, *words], capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stderr
    return set(ran.stdout.split())


@pytest.fixture(scope="module")
def bare() -> set[str]:
    """What the interpreter has loaded by itself, and whoever measures coverage."""
    return run("-c", "import sys; print(*sys.modules)")


def first_call(*argv: str) -> set[str]:
    """The modules that a server over stdio has loaded when it answers its first call."""
    hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
    messages: list[dict[str, Any]] = [
        {"id": 1, "method": "initialize", "params": hello},
        {"method": "notifications/initialized"},
        {"id": 2, "method": "tools/list"},
        {"id": 3, "method": "tools/call", "params": {"name": "loaded", "arguments": {}}},
    ]
    lines = "".join(json.dumps({"jsonrpc": "2.0", **message}) + "\n" for message in messages)
    ran = subprocess.run([sys.executable, *argv], input=lines, capture_output=True, text=True, timeout=60, check=False)
    answers = {answer["id"]: answer["result"] for answer in map(json.loads, ran.stdout.splitlines())}
    assert sorted(answers) == [1, 2, 3], ran.stderr
    return set(answers[3]["content"][0]["text"].split())


def among(loaded: set[str], unwanted: frozenset[str]) -> set[str]:
    return {name for name in loaded if name in unwanted or name.partition(".")[0] in unwanted}


def test_importing_the_package_loads_no_library_at_all(bare: set[str]) -> None:
    loaded = run("-c", "import sys, holdfast; print(*sys.modules)") - bare
    assert {name for name in loaded if name.startswith("holdfast")} == {"holdfast"}
    assert {name.partition(".")[0] for name in loaded} - {"holdfast"} <= set(sys.stdlib_module_names)
    assert among(loaded, SLOW) == set()


def test_a_server_in_this_process_takes_its_first_call_with_little_loaded(settings: None, bare: set[str]) -> None:
    assert among(run("-c", IN_PROCESS) - bare, AWAY) == set()


@pytest.mark.parametrize("words", [["{file}"], ["{file}", "stdio"], ["-m", "holdfast.cli", "run", "{file}"]], ids=str)
def test_a_server_over_stdio_takes_its_first_call_with_little_loaded(
    words: list[str], settings: None, bare: set[str], tmp_path: Path
) -> None:
    file = tmp_path / "light.py"
    file.write_text(OVER_STDIO)
    loaded = first_call(*(word.format(file=file) for word in words)) - bare
    assert "holdfast.live" in loaded
    assert among(loaded, AWAY) == set()


def test_every_public_name_can_be_imported_and_is_listed() -> None:
    for name in holdfast.__all__:
        assert getattr(holdfast, name).__name__ == name
    assert dir(holdfast) == sorted(holdfast.__all__)
    with pytest.raises(AttributeError, match="nonsense"):
        _ = holdfast.nonsense


def test_what_the_type_checker_sees_is_what_is_imported() -> None:
    tree = ast.parse(Path(holdfast.__file__).read_text(encoding="utf-8"))
    checked = next(node for node in tree.body if isinstance(node, ast.If))
    homes = {
        alias.name: node.module for node in checked.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    assert sorted(homes) == sorted(holdfast.__all__)
    for name, module in homes.items():
        assert getattr(import_module(str(module)), name) is getattr(holdfast, name)
