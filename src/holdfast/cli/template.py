"""Fills the project template: plain text files beneath ``holdfast/templates``, with ``{{name}}`` where a value goes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from holdfast.errors import ConfigurationError

_SUFFIX = ".tmpl"
"""Ends every file's name, so that no tool takes the data for code."""
_FIELD = re.compile(r"\{\{(\w+)\}\}")


def render(values: Mapping[str, str]) -> dict[str, str]:
    """Relative path -> text of every file of a new project. Raises ``KeyError`` for a field without a value."""
    from holdfast.core.envfile import env_example

    root = files("holdfast") / "templates" / "project"
    found = {_filled(path, values): _filled(text, values) for path, text in _texts(root, "")}
    return found | {".env.example": env_example()}


def _texts(folder: Traversable, prefix: str) -> Iterator[tuple[str, str]]:
    for item in sorted(folder.iterdir(), key=lambda item: item.name):
        if item.is_dir():
            yield from _texts(item, f"{prefix}{item.name}/")
        elif item.name.endswith(_SUFFIX):
            name = item.name.removesuffix(_SUFFIX)
            yield prefix + re.sub(r"^dot_", ".", name), item.read_text("utf-8")


def _filled(text: str, values: Mapping[str, str]) -> str:
    return _FIELD.sub(lambda field: values[field[1]], text)


def write(texts: Mapping[str, str], target: Path) -> None:
    """Write a project's files. Raises ``ConfigurationError`` unless ``target`` is new or an empty folder."""
    try:
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise ConfigurationError(f"{target} is there already and not an empty folder; nothing was written")
        for name, text in texts.items():
            file = target / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, "utf-8", newline="\n")
    except OSError as error:
        raise ConfigurationError(f"{target} cannot be written: {error.strerror}") from None
