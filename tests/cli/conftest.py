"""The command line as a process of its own, and a folder for the files that it is pointed at."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.client import HTTPConnection
from io import StringIO
from pathlib import Path
from textwrap import dedent

import pytest

from holdfast.cli import main

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Ran:
    """How a command ended and what it said."""

    status: int
    out: str
    err: str


@dataclass(frozen=True)
class Shell:
    """Runs ``holdfast`` in ``folder``, with no settings of whoever runs the tests."""

    folder: Path
    patch: pytest.MonkeyPatch
    captured: pytest.CaptureFixture[str]

    def environment(self, **more: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("HOLDFAST_")}
        state = str(self.folder / "state")
        return kept | {"PYTHONPATH": str(ROOT / "src"), "HOLDFAST_STATE": state, "COLUMNS": "200"} | more

    def __call__(self, *words: object, stdin: str = "", **environment: str) -> Ran:
        """Run a command to its end in this process, which is quick."""
        self.captured.readouterr()
        with self.patch.context() as patch:
            for name in set(os.environ) - set(self.environment()):
                patch.delenv(name)
            for name, value in self.environment(**environment).items():
                patch.setenv(name, value)
            patch.chdir(self.folder)
            patch.setattr(sys, "stdin", StringIO(stdin))
            with pytest.raises(SystemExit) as left:
                main([str(word) for word in words])
        assert isinstance(left.value.code, int)
        return Ran(left.value.code, *self.captured.readouterr())

    def run(self, *words: object, stdin: str = "", **environment: str) -> Ran:
        """Run a command to its end in a process of its own."""
        process = self.start(*words, **environment)
        out, err = process.communicate(stdin, timeout=60)
        return Ran(process.returncode, out, err)

    def start(self, *words: object, **environment: str) -> subprocess.Popen[str]:
        """A process that goes on: standard input, output and error are pipes."""
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "holdfast.cli", *map(str, words)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.folder,
            env=self.environment(**environment),
        )


@pytest.fixture
def holdfast(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], imports: None
) -> Shell:
    """``holdfast("list", file)`` runs a command to its end; ``holdfast.start(...)`` starts a process."""
    return Shell(tmp_path, monkeypatch, capfd)


def _status(url: str) -> int:
    place, _, path = url.removeprefix("http://").partition("/")
    connection = HTTPConnection(place, timeout=10)
    try:
        connection.request("GET", f"/{path}")
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.fixture
def http_status() -> Callable[[str], int]:
    """``http_status(url)`` fetches a page and gives its status."""
    return _status


@pytest.fixture
def python_file(tmp_path: Path) -> Callable[..., Path]:
    """``python_file("server.py", text)`` writes an author's file."""

    def write(name: str, text: str) -> Path:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(dedent(text))
        return file

    return write


@pytest.fixture
def hello(python_file: Callable[..., Path]) -> Path:
    """A server with one tool, in a file that prints when it is imported."""
    return python_file(
        "hello.py",
        """\
        import os
        import sys

        from holdfast import Server

        print("import-time noise")
        os.write(1, b"raw noise\\n")
        server = Server("hello")


        @server.tool(read_only=True)
        async def greet(name: str) -> str:
            "Greet somebody by name."
            print("call-time noise")
            return f"Hello, {name}!"


        if __name__ == "__main__":
            sys.exit("never run as a script here")
        """,
    )


@pytest.fixture
def imports() -> Iterator[None]:
    """Forgets what a test imported in this process, and where it looked."""
    path, modules = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if not name.startswith(("holdfast.", "mcp")) and getattr(sys.modules[name], "__file__", None):
            file = str(sys.modules[name].__file__)
            if "pytest-" in file:
                del sys.modules[name]
