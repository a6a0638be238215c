"""What the seven tools of examples/workspace.py do, as an author writes them who follows the frameworks' own pages.

Both frameworks register the same functions, so that a difference between their rows is the framework's. Each choice
names the page it follows; HOLDFAST_WORKSPACE and HOLDFAST_DATABASE say where, as for examples/workspace.py.
"""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
from pathlib import Path
from typing import Annotated, Any

import httpx2
from pydantic import BaseModel, Field

ROOT = Path(os.environ.get("HOLDFAST_WORKSPACE", "."))
DATABASE = os.environ.get("HOLDFAST_DATABASE", "database.db")


class Written(BaseModel):
    """SDK "Structured Output", "Return a model"; FastMCP "Tools", "Typed Models"."""

    bytes: int


class Listed(BaseModel):
    """One entry of a folder; ``size`` in bytes."""

    name: str
    kind: str
    size: int


class Line(BaseModel):
    """A line that matches."""

    path: str
    line: int
    text: str


# Blocking tools are plain functions: both run them in a thread (SDK "Tools", "async def"; FastMCP "Async Support").
def read_file(path: str) -> str:
    """Return the text of a file. The path is relative to the workspace folder."""
    with open(ROOT / path, encoding="utf-8") as file:
        return file.read()


def write_file(path: str, text: str) -> Written:
    """Write text to a file, replacing what it held; folders on the way are made."""
    target = ROOT / path
    target.parent.mkdir(parents=True, exist_ok=True)
    return Written(bytes=target.write_text(text, encoding="utf-8"))


def list_dir(path: str = ".") -> list[Listed]:
    """List a folder: the names, kinds and sizes of what is in it."""
    entries = sorted((ROOT / path).iterdir())
    return [
        Listed(name=each.name, kind="dir" if each.is_dir() else "file", size=each.lstat().st_size) for each in entries
    ]


# Bounds by Field: SDK "Tools", "Richer schemas with Field"; FastMCP "Tools", "Advanced Metadata with Field".
def search_text(pattern: Annotated[str, Field(min_length=1, max_length=1_000)], path: str = ".") -> list[Line]:
    """Find the lines that match a regular expression in the text files beneath a folder."""
    wanted, found = re.compile(pattern), []
    for file in sorted(each for each in (ROOT / path).rglob("*") if each.is_file()):
        for number, text in enumerate(file.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            if wanted.search(text):
                found.append(Line(path=str(file.relative_to(ROOT)), line=number, text=text))
    return found


# Arguments as a list and no shell, as Python's own page on subprocess says.
def git_log(
    ref: Annotated[str, Field(min_length=1, max_length=200)] = "HEAD", count: Annotated[int, Field(ge=1, le=100)] = 10
) -> str:
    """Show the latest commits of the workspace's git repository."""
    argv = ["git", "log", "--oneline", f"--max-count={count}", ref]
    return subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True).stdout


# The SDK's README had it so, as "SQLite Explorer": connect, execute, fetchall. FastMCP's pages show no database.
def query(sql: str) -> list[dict[str, Any]]:
    """Run one read-only SELECT statement over the database."""
    connection = sqlite3.connect(DATABASE)
    try:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(sql).fetchall()]
    finally:
        connection.close()


# The SDK's examples/servers/simple-tool: an AsyncClient that follows redirects, half a minute, raise_for_status.
async def fetch_url(url: str) -> str:
    """Fetch a public web page or document as text."""
    async with httpx2.AsyncClient(timeout=httpx2.Timeout(30, read=300), follow_redirects=True) as client:
        response = await client.get(url)
        response.raise_for_status()
        return response.text


READ = (read_file, list_dir, search_text, git_log, query)
"""What only reads, or was written to."""
FETCH = (fetch_url,)
"""Reads too, and reaches out."""
WRITE = (write_file,)
