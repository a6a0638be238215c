"""Writes reports to their files: each whole or not at all, and known to be writable before a run of minutes."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from holdfast.errors import ConfigurationError
from holdfast_attack.model.outcome import Report
from holdfast_attack.report.asjson import as_json
from holdfast_attack.report.harmless import escaped
from holdfast_attack.report.html import as_html
from holdfast_attack.report.junit import as_junit
from holdfast_attack.report.sarif import as_sarif

FORMATS: Final[Mapping[str, Callable[[Report], str]]] = {
    "json": as_json,
    "junit": as_junit,
    "sarif": as_sarif,
    "html": as_html,
}
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)
_LIVE: Final = ("/dev/", "/proc/")
"""What stands here is a device or an open stream of somebody: a file that takes its name would cut it off."""


@contextmanager
def checked(wanted: Mapping[str, Path]) -> Iterator[Mapping[str, Path]]:
    """``wanted`` again, by format, when each can be written: a run of minutes must not end in a name misspelt.

    Raises ``ConfigurationError`` in one line.
    """
    named: dict[str, str] = {}
    for name, path in wanted.items():
        with _told(path):
            place = os.path.realpath(path)
            if place in named and not _is_stream(path):
                raise ConfigurationError(f"--{name} and --{named[place]} name one file, {escaped(str(path))}; name two")
            named[place] = name
            if not _is_stream(path):
                _try(Path(place))
    yield wanted


def _try(path: Path) -> None:
    beside = _beside(path)
    os.close(os.open(beside, _NEW, 0o600))
    beside.unlink()


def write(report: Report, wanted: Mapping[str, Path]) -> None:
    """Write the report in each format. Raises ``ConfigurationError`` in one line."""
    for name, path in wanted.items():
        replace_file(path, FORMATS[name](report))


def replace_file(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8 beside ``path``, sync it and rename it; a device or a pipe is written to as it is.

    Raises ``ConfigurationError`` in one line, and then what stood there before is whole.
    """
    data = text.encode("utf-8", "backslashreplace")
    with _told(path):
        if _is_stream(path):
            with path.open("ab") as stream:  # a file that standard output goes to keeps what it holds
                stream.write(data)
        else:
            _replace(Path(os.path.realpath(path)), data)  # a link stays a link, and its target is replaced


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """What goes wrong with ``path``, in one line."""
    try:
        yield
    except FileNotFoundError:
        raise _unwritable(path, f"there is no folder {path.parent}; make it first") from None
    except IsADirectoryError:
        raise _unwritable(path, "it is a folder; name a file in it") from None
    except OSError as error:
        raise _unwritable(path, error.strerror or type(error).__name__) from None
    except ValueError:
        raise _unwritable(path, "its name holds a NUL") from None


def _unwritable(path: Path, why: str) -> ConfigurationError:
    return ConfigurationError(escaped(f"{path} cannot be written: {why}"))


def _is_stream(path: Path) -> bool:
    """Whether it is there and neither a file nor a folder, such as ``/dev/stdout`` or a named pipe."""
    if os.path.abspath(path).startswith(_LIVE):
        return True
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return False
    if stat.S_ISDIR(mode):
        raise IsADirectoryError
    return not stat.S_ISREG(mode)


def _beside(path: Path) -> Path:
    return path.with_name(f".{secrets.token_hex(8)}.new")


def _replace(path: Path, data: bytes) -> None:
    beside = _beside(path)
    try:
        with os.fdopen(os.open(beside, _NEW, 0o666), "wb") as file:  # less the umask
            with suppress(FileNotFoundError):
                os.fchmod(file.fileno(), stat.S_IMODE(path.stat().st_mode))
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    finally:
        with suppress(OSError):  # renamed, or never made
            beside.unlink()
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """So that the new name survives a loss of power too; some file systems refuse, and keep it anyway."""
    with suppress(OSError):
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)
