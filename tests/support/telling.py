"""What the watchdog tells: its log lines, its counts, what it posts, and an alarm bell of its own for tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from holdfast.core.events import Events
from holdfast.watchdog.alerts import Alerts


class Told:
    """``lines`` are what was logged: level, name and fields. Needs the running loop."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str, dict[str, Any]]] = []
        self.counts: list[str] = []
        self.posts: list[Mapping[str, Any]] = []
        self.events = Events()
        self.alerts = Alerts(self, self.events, self, self.posts.append)

    def event(self, kind: str) -> None:
        """As ``Metrics.event``."""
        self.counts.append(kind)

    def info(self, name: str, **said: Any) -> None:
        """As the log."""
        self.lines.append(("info", name, said))

    def warning(self, name: str, **said: Any) -> None:
        """As the log."""
        self.lines.append(("warning", name, said))

    def error(self, name: str, **said: Any) -> None:
        """As the log."""
        self.lines.append(("error", name, said))

    def actions(self) -> list[dict[str, Any]]:
        """What was done."""
        return [said for _, name, said in self.lines if name == "watchdog.action"]
