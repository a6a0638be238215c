"""The file of a pinned manifest: read with bounds and checked against its own hashes; written whole or not at all."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from holdfast.core.manifest import Manifest
from holdfast.errors import ConfigurationError, HoldfastError
from holdfast.safe.json import Bounds, loads
from holdfast.safe.values import DEEPEST

MANIFEST_FILE = "holdfast.manifest.json"
"""Its name beside the server's file, unless another one is given."""
FORMAT = 1
MAX_BYTES = 64 * 1024 * 1024
"""A server of 10,000 tools (the most that it takes) with 4 KiB each has 40 MiB."""
_BOUNDS = Bounds(bytes=MAX_BYTES, depth=DEEPEST, elements=5_000_000, string=MAX_BYTES, integer_digits=1_000)


def read(file: Path) -> Manifest:
    """The pinned manifest. Raises ``ConfigurationError`` when it is missing, damaged, or altered by hand."""
    try:
        with file.open("rb") as opened:
            raw = opened.read(MAX_BYTES + 1)
    except OSError as error:
        raise _unusable(file, f"cannot be read: {error.strerror}") from None
    try:
        held = loads(raw, _BOUNDS)
    except HoldfastError:
        raise _unusable(file, "is not JSON, or too large") from None
    if not isinstance(held, dict) or held.get("format") != FORMAT or not isinstance(held.get("entries"), dict):
        raise _unusable(file, f"is not a manifest of format {FORMAT}")
    return _checked(file, held)


def _checked(file: Path, held: Mapping[str, Any]) -> Manifest:
    """A line that was edited by hand, or merged by a tool, must not pass as something that somebody looked at."""
    entries: dict[str, Mapping[str, Any]] = {}
    for key, entry in held["entries"].items():
        if not isinstance(entry, dict) or not isinstance(entry.get("shown"), dict):
            raise _unusable(file, f"is not a manifest of format {FORMAT}")
        entries[key] = entry["shown"]
    manifest = Manifest(entries)
    told = {key: entry.get("sha256") for key, entry in held["entries"].items()}
    if told != manifest.hashes() or held.get("sha256") != manifest.digest():
        raise _unusable(file, "does not fit its own hashes: it was altered after it was pinned")
    return manifest


def _unusable(file: Path, why: str) -> ConfigurationError:
    return ConfigurationError(f"the pinned manifest {file.name} {why}; look at the server and pin it again")


def text(manifest: Manifest) -> str:
    """The file's text: indented and in ASCII, so that a change shows in a review and nothing hides in it."""
    hashes = manifest.hashes()
    entries = {key: {"sha256": hashes[key], "shown": manifest.entries[key]} for key in sorted(hashes)}
    held = {"format": FORMAT, "sha256": manifest.digest(), "entries": entries}
    return json.dumps(held, indent=2, sort_keys=True, ensure_ascii=True, allow_nan=False) + "\n"


def write(manifest: Manifest, file: Path) -> None:
    """Write the file beside itself, sync it and rename it. Raises ``ConfigurationError``; then the old one is whole."""
    held = text(manifest)
    try:
        loads(held.encode("ascii"), _BOUNDS)
    except HoldfastError as error:  # it could be written, but not read
        raise ConfigurationError(f"the manifest {file.name} cannot be written: what it holds is {error}") from None
    made: str | None = None
    try:
        number, made = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
        with os.fdopen(number, "w", encoding="ascii", newline="\n") as opened:
            opened.write(held)
            opened.flush()
            os.fsync(opened.fileno())
        os.chmod(made, 0o644)  # it is published with the source; mkstemp makes files for their owner only
        os.replace(made, file)
        made = None
        _sync_folder(file.parent)
    except OSError as error:
        raise ConfigurationError(f"the manifest {file.name} cannot be written: {error.strerror}") from None
    finally:
        if made is not None:
            with contextlib.suppress(OSError):
                os.unlink(made)


def _sync_folder(folder: Path) -> None:
    """So that the rename outlives a power cut, where folders can be opened (POSIX)."""
    if hasattr(os, "O_DIRECTORY"):
        number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(number)
        finally:
            os.close(number)
