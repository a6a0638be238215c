"""The same tools by a careful author: with every aid that the frameworks' own pages offer, and the usual good habits.

What is no path, statement, reference or address is taken from ``plain`` as it is.
"""

from __future__ import annotations

import re
import sqlite3
import subprocess
from typing import Annotated, Any

import httpx2
import plain
from mcp.shared.path_security import safe_join
from plain import DATABASE, ROOT, Line, Listed, Written
from pydantic import Field, HttpUrl

SECONDS = 30.0


# SDK "URI templates and path safety", "Filesystem handlers: use safe_join". FastMCP stands on the same SDK.
def read_file(path: str) -> str:
    """Return the text of a file. The path is relative to the workspace folder."""
    return safe_join(ROOT, path).read_text(encoding="utf-8")


def write_file(path: str, text: str) -> Written:
    """Write text to a file, replacing what it held; folders on the way are made."""
    safe_join(ROOT, path)
    return plain.write_file(path, text)


def list_dir(path: str = ".") -> list[Listed]:
    """List a folder: the names, kinds and sizes of what is in it."""
    safe_join(ROOT, path)
    return plain.list_dir(path)


def search_text(pattern: Annotated[str, Field(min_length=1, max_length=1_000)], path: str = ".") -> list[Line]:
    """Find the lines that match a regular expression in the text files beneath a folder."""
    wanted, found, top = re.compile(pattern), [], ROOT.resolve()
    for file in sorted(each for each in safe_join(ROOT, path).rglob("*") if each.is_file()):
        if not file.resolve().is_relative_to(top):
            continue
        for number, text in enumerate(file.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            if wanted.search(text):
                found.append(Line(path=str(file.relative_to(top)), line=number, text=text))
    return found


# --end-of-options is git's own answer to a reference that begins with a hyphen (gitcli(7)).
def git_log(
    ref: Annotated[str, Field(min_length=1, max_length=200)] = "HEAD", count: Annotated[int, Field(ge=1, le=100)] = 10
) -> str:
    """Show the latest commits of the workspace's git repository."""
    argv = ["git", "log", "--oneline", f"--max-count={count}", "--end-of-options", ref]
    return subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True, timeout=SECONDS).stdout


# A connection that cannot write: the URI form of Python's own page on sqlite3.
def query(sql: str) -> list[dict[str, Any]]:
    """Run one read-only SELECT statement over the database."""
    connection = sqlite3.connect(f"file:{DATABASE}?mode=ro", uri=True)
    try:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(sql).fetchall()]
    finally:
        connection.close()


# An address by its type; redirects are not followed unless asked for.
async def fetch_url(url: HttpUrl) -> str:
    """Fetch a public web page or document as text."""
    async with httpx2.AsyncClient(timeout=SECONDS) as client:
        response = await client.get(str(url))
        response.raise_for_status()
        return response.text


READ = (read_file, list_dir, search_text, git_log, query)
FETCH = (fetch_url,)
WRITE = (write_file,)
