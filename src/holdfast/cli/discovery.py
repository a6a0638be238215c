"""Finds the server in an author's file: imports it by its path, and takes the only ``Server`` or the named one."""

from __future__ import annotations

import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from holdfast.cli.importing import PREFIX, load_file
from holdfast.cli.streams import flush
from holdfast.core.layers import CONFIG_FILE
from holdfast.errors import ConfigurationError, HoldfastError
from holdfast.safe.text import clean

if TYPE_CHECKING:
    from holdfast.server import Server

_LONGEST = 500
"""Characters of an author's exception that are shown in one line."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Where a command was told to read settings, and whether it shows tracebacks."""

    config: Path | None = None
    env_file: Path | None = None
    debug: bool = False


@dataclass(frozen=True, slots=True)
class Target:
    """``FILE[:NAME]``."""

    file: Path
    name: str | None = None

    @classmethod
    def parse(cls, text: str) -> Target:
        """Read ``server.py`` or ``server.py:name``. Raises ``ConfigurationError`` when there is no such file."""
        head, colon, tail = text.rpartition(":")
        named = bool(colon) and tail.isidentifier() and not Path(text).is_file()
        file = Path(head if named else text)
        if not file.is_file():
            raise ConfigurationError(f"{file} is not a file; name the Python file that holds the server")
        return cls(file.resolve(), tail if named else None)


def find(target: Target, sources: Sources) -> Server:
    """Import the file and return its server, told where its settings lie.

    Raises ``ConfigurationError`` for a file that fails when imported, and for none, several or another kind of thing
    in the place of the one server.
    """
    for given in (sources.config, sources.env_file):
        if given is not None and not given.is_file():
            raise ConfigurationError(f"{given} is not a file")
    module = _imported(target, sources)
    server = _chosen(module, target)
    if module.__name__.startswith(PREFIX) and any(item.isolation == "process" for item in server.whole()):
        raise ConfigurationError(
            f"{target.file.name} is called like an installed module, so a process of its own could not import "
            'its tools with isolation="process"; rename the file'
        )
    beside = target.file.parent / CONFIG_FILE
    server.sources["file"] = sources.config or (beside if beside.is_file() else None)
    server.sources["env_file"] = sources.env_file
    return server


def _imported(target: Target, sources: Sources) -> ModuleType:
    try:
        return load_file(target.file)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # boundary: an author's file may fail in any way, sys.exit included
        if sources.debug:
            traceback.print_exception(error)
        raise ConfigurationError(_failure(target.file, error, shown=sources.debug)) from None
    finally:
        flush()  # a print at import still sits in the buffer, and must not come out later as an answer


def _failure(file: Path, error: BaseException, *, shown: bool) -> str:
    place = f"{file.name}:{line}" if (line := _line(file, error)) else file.name
    if isinstance(error, SystemExit):
        return f'{place}: the file ended the program when imported; put that beneath if __name__ == "__main__":'
    text = clean(str(error)).strip().partition("\n")[0][:_LONGEST]
    kind = "" if isinstance(error, HoldfastError) else f"{type(error).__name__}: "
    return f"{place}: {kind}{text}" + ("" if shown else " (--debug shows the traceback)")


def _line(file: Path, error: BaseException) -> int | None:
    """The line of ``file`` that was running, or that is no Python."""
    if isinstance(error, SyntaxError) and error.filename == str(file):
        return error.lineno
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(file)]
    return lines[-1] if lines else None


def _chosen(module: ModuleType, target: Target) -> Server:
    found = _servers(module)
    if target.name is not None:
        if target.name not in found:
            raise ConfigurationError(f"{target.file.name} has no server called {target.name}; {_offer(found)}")
        return found[target.name]
    roots = _roots(found)
    if len(roots) != 1:
        example = f"; say which: {target.file.name}:{next(iter(roots))}" if roots else ""
        raise ConfigurationError(f"{target.file.name} must hold one holdfast.Server, but {_offer(roots)}{example}")
    return next(iter(roots.values()))


def _servers(module: ModuleType) -> dict[str, Server]:
    """Every global name of a server."""
    library = sys.modules.get("holdfast.server")  # an author's file that has a server has imported it
    return {} if library is None else {n: v for n, v in vars(module).items() if isinstance(v, library.Server)}


def _roots(found: dict[str, Server]) -> dict[str, Server]:
    """One name for each server that is not mounted on another one of the same file."""
    mounted = {id(child) for server in found.values() for child in server.everything_mounted()}
    names = {id(server): name for name, server in reversed(found.items()) if id(server) not in mounted}
    return {name: found[name] for name in reversed(names.values())}


def _offer(found: dict[str, Server]) -> str:
    return f"it holds {', '.join(found)}" if found else "it holds none at its top level"
