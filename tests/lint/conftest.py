"""A server's file, made from a few lines and looked at as ``holdfast check`` does."""

from __future__ import annotations

import itertools
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from holdfast.cli.discovery import Sources, Target, find
from holdfast.lint.examine import examine
from holdfast.lint.finding import Finding
from holdfast.lint.subject import Whole

PRELUDE = '''\
"""A server under the glass."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from holdfast import (
    CommandTool, Context, DatabaseTool, DirPath, FileTool, Limits, PublicUrl, ReadPath, ReadQuery, SecretValue, Server,
    Tool, ToolError, ToolInput, WritePath,
)

server = Server("example")
'''
START = PRELUDE.count("\n")
"""Lines before the first one of a case."""
_NUMBERS = itertools.count()

Look = Callable[..., list[Finding]]


@pytest.fixture
def whole(tmp_path: Path) -> Iterator[Callable[..., Whole]]:
    """``whole(text)`` imports a server made of the prelude and ``text``."""
    path, modules = list(sys.path), set(sys.modules)

    def load(text: str, prelude: str = PRELUDE, **overrides: Any) -> Whole:
        file = tmp_path / f"case_{next(_NUMBERS)}.py"
        file.write_text(prelude + dedent(text), encoding="utf-8")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            server = find(Target.parse(str(file)), Sources())
        return Whole.of(server, server.load_settings(**overrides), file.resolve())

    yield load
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if name.startswith("case_"):
            del sys.modules[name]


@pytest.fixture
def look(whole: Callable[..., Whole]) -> Look:
    """``look(text)`` gives the findings of a server made of the prelude and ``text``."""

    def run(text: str, **options: Any) -> list[Finding]:
        return examine(whole(text), **options)

    return run
