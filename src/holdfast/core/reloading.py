"""Which settings a running server can take anew, and which ones need a restart."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from holdfast.core.config import Settings
from holdfast.core.layers import keys

LINKED: Final = frozenset(
    f"limits.{name}"
    for name in (
        "timeout", "rate", "concurrency", "queue", "input", "output", "cost", "principals", "memory", "adaptive",
        "adaptive_rate",
    )
)  # fmt: skip
"""What the chains hold, so that they are linked anew; what they have counted by then is forgotten."""
TAKEN: Final = LINKED | {"log.level", "teardown"}
"""What can change while a server runs. All else is held by what was opened, bound or built at the start."""


class Reload(NamedTuple):
    """The settings from now on, the dotted keys that changed, and those that keep their values until a restart."""

    settings: Settings
    now: tuple[str, ...]
    later: tuple[str, ...]


def merged(running: Settings, fresh: Settings) -> Reload:
    """``running`` with what can be taken from ``fresh``. Both are valid, and so is what comes of them."""
    changed = [key for key in keys() if _at(running, key) != _at(fresh, key)]
    now = tuple(key for key in changed if key in TAKEN)
    settings = running
    for key in now:
        settings = _with(settings, key.split("."), _at(fresh, key))
    return Reload(settings, now, tuple(key for key in changed if key not in TAKEN))


def _at(settings: Any, key: str) -> Any:
    for name in key.split("."):
        settings = getattr(settings, name)
    return settings


def _with(settings: Any, names: list[str], value: Any) -> Any:
    first, *rest = names
    inner = _with(getattr(settings, first), rest, value) if rest else value
    return settings.model_copy(update={first: inner})
