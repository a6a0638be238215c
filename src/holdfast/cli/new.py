"""``holdfast new``: makes a project that passes its own tests at once."""

from __future__ import annotations

import keyword
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from holdfast.errors import ConfigurationError

_NAME = re.compile(r"[a-z][a-z0-9]*(?:[-_][a-z0-9]+)*", re.ASCII)
_LONGEST = 64

NameArgument = Annotated[
    str, typer.Argument(metavar="NAME", help="Lower-case letters, digits and hyphens; the folder's name as well.")
]
DirOption = Annotated[
    Path, typer.Option("--dir", metavar="DIR", help="Folder to make the project's folder in.", show_default="here")
]
HoldfastOption = Annotated[
    str | None,
    typer.Option(
        "--holdfast",
        metavar="PATH|REQUIREMENT",
        help="The holdfast that the project depends on (default: the one that makes it).",
    ),
]


def new(name: NameArgument, folder: DirOption = Path(), holdfast: HoldfastOption = None) -> None:
    """Make a project that passes its own tests. It holds a server, its tests, and a Makefile."""
    from holdfast.cli.origin import requirement
    from holdfast.cli.template import render, write

    package = checked(name)
    target = folder / name
    files = render({"name": name, "package": package, "holdfast": requirement(holdfast)})
    write(files, target)
    print(f"made {target}: {len(files)} files\n\n  cd {target}\n  make test\n  make run")


def checked(name: str) -> str:
    """The import name for a project's name. Raises ``ConfigurationError`` for one that could not be imported."""
    if _NAME.fullmatch(name) is None or len(name) > _LONGEST:
        raise ConfigurationError(
            f"a project's name has 1 to {_LONGEST} lower-case letters, digits and hyphens, and begins with a letter"
        )
    package = name.replace("-", "_")
    if keyword.iskeyword(package) or package == "tests" or _is_installed(package):
        raise ConfigurationError("a project of that name would hide a Python module of the same name; take another")
    return package


def _is_installed(package: str) -> bool:
    spec = find_spec(package)
    return spec is not None and spec.origin is not None  # a mere folder of that name has no origin
