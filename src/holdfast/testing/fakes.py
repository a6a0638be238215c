"""Stand-ins for the world around a tool: who calls, and the folder, database and settings it works with."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from holdfast.core.principal import ALL, Principal


def principal(name: str = "tester", *scopes: str) -> Principal:
    """A principal with the given scopes; without any it may do everything."""
    return Principal(name, frozenset(scopes or (ALL,)))


class Workspace:
    """A real folder with real files, and a real SQLite database beside it, beneath ``base`` (pytest's ``tmp_path``)."""

    def __init__(self, base: Path) -> None:
        self.path = base / "workspace"
        self.path.mkdir()
        self.state = base / "state"
        self.database = base / "data.sqlite"

    def write(self, name: str, content: str | bytes = "") -> Path:
        """Make a file, and the folders on its way."""
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return file

    def table(self, name: str, columns: str, rows: Iterable[tuple[Any, ...]] = ()) -> None:
        """Make a table with rows: ``table("pet", "name TEXT, age INTEGER", [("Rex", 3)])``."""
        connection = sqlite3.connect(self.database)
        try:
            connection.execute(f'CREATE TABLE "{name}" ({columns})')
            for row in rows:
                marks = ", ".join("?" for _ in row)
                connection.execute(f'INSERT INTO "{name}" VALUES ({marks})', row)  # noqa: S608 # nosec B608 - the test's own table
            connection.commit()
        finally:
            connection.close()

    def settings(self, **more: Any) -> dict[str, Any]:
        """Settings for ``Server(settings=...)``; ``limits__rate="5/second"`` sets ``limits.rate``."""
        found: dict[str, Any] = {"workspace": self.path, "state": self.state}
        if self.database.exists():
            found["database"] = str(self.database)
        return found | {key.replace("__", "."): value for key, value in more.items()}

    def environment(self, **more: str) -> dict[str, str]:
        """The same for a server in a process of its own: ``HOLDFAST_*`` variables."""
        found = {"HOLDFAST_WORKSPACE": str(self.path), "HOLDFAST_STATE": str(self.state)}
        if self.database.exists():
            found["HOLDFAST_DATABASE"] = str(self.database)
        return found | {f"HOLDFAST_{key.upper()}": value for key, value in more.items()}


def settings_for(base: Path, **more: Any) -> Mapping[str, Any]:
    """Settings of a server without a workspace, whose state lies beneath ``base``.

    Its budget of memory is a tebibyte unless ``more`` says otherwise: it shares the process with the tests.
    """
    return {"state": base / "state", "watchdog.memory": 1 << 40} | {
        key.replace("__", "."): value for key, value in more.items()
    }
