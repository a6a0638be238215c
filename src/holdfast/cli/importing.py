"""Imports an author's file by its path, under a name by which a worker process can import it again."""

from __future__ import annotations

import importlib
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import find_spec, module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType
from typing import NoReturn

PREFIX = "holdfast_server_"
"""Before the name of a file that is called like an installed module."""


def load_file(file: Path) -> ModuleType:
    """Import ``file`` (absolute). Whatever it raises is passed on, and the module is forgotten again.

    A file inside a package is imported as part of it, so that its relative imports work. Any other file takes its own
    name without ``.py``, its folder first on ``sys.path``, as with ``python FILE``. Where an installed module has that
    name already, the file gets another one and its folder goes last, so that it hides nothing from the libraries.
    """
    name, folder = _package_name(file)
    if "." in name:
        sys.path.insert(0, str(folder))
        return importlib.import_module(name)
    if _is_taken(name, file):
        sys.path.append(str(folder))
        return _execute(PREFIX + name, file)
    sys.path.insert(0, str(folder))
    return _execute(name, file)


def _package_name(file: Path) -> tuple[str, Path]:
    """The dotted name, and the folder from which it can be imported."""
    parts = [file.stem.replace(".", "_")]
    folder = file.parent
    while (folder / "__init__.py").is_file() and folder.name.isidentifier():
        parts.insert(0, folder.name)
        folder = folder.parent
    return ".".join(parts), folder


def _is_taken(name: str, file: Path) -> bool:
    try:
        spec = find_spec(name)
    except ValueError:  # a module without a spec, such as __main__
        return True
    return spec is not None and spec.origin is not None and Path(spec.origin).resolve() != file


def _execute(name: str, file: Path) -> ModuleType:
    loader = _FromSource(name, str(file))
    spec = spec_from_loader(name, loader)
    if spec is None:  # pragma: no cover - a loader of our own always gives a spec
        raise ImportError(f"{file.name} cannot be imported")
    module = sys.modules[name] = module_from_spec(spec)
    try:
        loader.exec_module(module)
    except BaseException:  # a half-run module must not be found by a later import
        sys.modules.pop(name, None)
        raise
    return module


class _FromSource(SourceFileLoader):
    """Compiles afresh, as ``python FILE`` does: no ``__pycache__`` beside the file, and no bytecode from before an edit
    in the same second."""

    def path_stats(self, path: str) -> NoReturn:
        """Say that nothing is known about the file, so that no bytecode is looked for or written."""
        raise OSError("bytecode is not used")
