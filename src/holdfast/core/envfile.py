"""Writes ``.env.example`` from the settings model, so that the file can never fall behind the code."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pydantic.fields import FieldInfo

from holdfast.core.config import ENV_PREFIX
from holdfast.core.layers import is_secret, keys

_HEAD = """\
# Every setting of holdfast, with its default. Generated from the settings model: `holdfast config --env-example`.
# Copy what you change to a file of your own and name it: `holdfast run server.py --env-file FILE`.
# Secrets may be given as file:/path/to/secret, or encrypted as enc:... (`holdfast secret encrypt`).
"""


def env_example() -> str:
    """The text of ``.env.example``."""
    return _HEAD + "".join(_lines())


def _lines() -> Iterator[str]:
    section = ""
    for key, info in keys().items():
        head = key.partition(".")[0] if "." in key else ""
        if head != section:
            section = head
            yield f"\n# -- {section} " + "-" * (70 - len(section)) + "\n"
        name = ENV_PREFIX + key.replace(".", "__").upper()
        yield f"# {info.description}\n#{name}={_written(info)}\n"


def _written(info: FieldInfo) -> str:
    value: Any = info.get_default(call_default_factory=True)
    if value is None or (is_secret(info) and not value):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple | list | dict):
        return json.dumps(value)
    return f"{value:g}" if isinstance(value, float) else str(value)
