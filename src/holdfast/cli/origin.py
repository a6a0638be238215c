"""Says which holdfast a new project shall depend on: the one that makes it, wherever that was installed from."""

from __future__ import annotations

import json
import re
import tomllib
from importlib.metadata import Distribution, PackageNotFoundError
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from holdfast.errors import ConfigurationError

_NAME = "holdfast"
_REQUIREMENT = re.compile(r"holdfast(\[[\w.,-]+\])?( ?@ ?[^\s\"\\]+| ?([<>=!~]=?=?[\w.*+!, <>=~-]+))?", re.ASCII)
"""A requirement (PEP 508) for holdfast, and nothing that could leave its TOML string."""


def requirement(given: str | None = None) -> str:
    """The requirement to record: ``given`` (a requirement, or a folder or wheel of holdfast), or by default the
    holdfast that runs. Raises ``ConfigurationError`` for anything else."""
    if given is None:
        return _running()
    if Path(given).exists():
        return _at(Path(given).resolve().as_uri())
    if _REQUIREMENT.fullmatch(given) is None:
        raise ConfigurationError('--holdfast takes a folder of holdfast, or a requirement such as "holdfast>=1.0"')
    return given


def _running() -> str:
    try:
        distribution = Distribution.from_name(_NAME)
    except PackageNotFoundError:
        return _source_folder()
    recorded = distribution.read_text("direct_url.json")  # PEP 610: not from an index
    return (_direct(json.loads(recorded)) if recorded else None) or f"{_NAME}>={distribution.version}"


def _direct(recorded: dict[str, Any]) -> str | None:
    url, vcs = recorded["url"], recorded.get("vcs_info")
    if vcs:
        return _at(f"{vcs['vcs']}+{url}@{vcs['commit_id']}")
    parts = urlsplit(url)
    if parts.scheme == "file" and not Path(url2pathname(parts.path)).exists():
        return None  # installed from a file that is gone
    return _at(url)


def _source_folder() -> str:
    """Not installed at all: run from a checkout, which is then what the project depends on."""
    folder = Path(__file__).resolve().parents[3]
    try:
        project = tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))["project"]["name"]
    except (OSError, KeyError, tomllib.TOMLDecodeError):
        return _NAME
    return _at(folder.as_uri()) if project == _NAME else _NAME


def _at(url: str) -> str:
    return f"{_NAME} @ {url}"
