"""Needs: which settings an operation depends on, found in its types wherever they are written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

import pytest
from pydantic import BaseModel
from typing_extensions import TypedDict

from holdfast.core.bases import DatabaseTool, FileTool
from holdfast.core.function import FunctionTool
from holdfast.core.needs import needs_of
from holdfast.safe.paths import DirPath, ReadPath, WritePath
from holdfast.safe.sql import ReadQuery


class Model(BaseModel):
    path: ReadPath
    again: list[Model] = []


@dataclass
class Record:
    path: ReadPath | None


class Typed(TypedDict):
    paths: list[ReadPath]


class Named(NamedTuple):
    path: WritePath


class Deep(BaseModel):
    records: dict[str, tuple[Record, ...]]


def takes(annotation: Any) -> FunctionTool:
    def tool(value: Any) -> str:
        return ""

    tool.__annotations__["value"] = annotation
    return FunctionTool(tool)


@pytest.mark.parametrize(
    "annotation",
    [
        ReadPath,
        DirPath | None,
        list[ReadPath],
        dict[str, WritePath],
        Annotated[ReadPath, "x"],
        Model,
        Record,
        Typed,
        Named,
        Deep,
        list[Deep | None],
    ],
    ids=str,
)
def test_a_path_at_any_depth_needs_the_workspace(annotation: Any) -> None:
    assert needs_of(takes(annotation)) == {"workspace"}


@pytest.mark.parametrize("annotation", [str, int | None, dict[str, list[int]], BaseModel], ids=str)
def test_other_arguments_need_nothing(annotation: Any) -> None:
    assert needs_of(takes(annotation)) == frozenset()


def test_different_handles_need_different_things() -> None:
    def tool(path: ReadPath, query: ReadQuery) -> str:  # the names are guarded by their types
        return ""

    assert needs_of(FunctionTool(tool)) == {"workspace", "database"}


def test_what_an_operation_says_itself_counts_also_without_arguments() -> None:
    class Reader(DatabaseTool):
        async def run(self, args: Any, ctx: Any) -> str:
            return ""

    class Files(FileTool):
        async def run(self, args: Any, ctx: Any) -> str:
            return ""

    assert needs_of(Reader()) == {"database"}
    assert needs_of(Files()) == {"workspace"}


def test_a_schema_of_the_authors_own_needs_what_the_author_says() -> None:
    def tool(args: dict[str, Any]) -> str:
        return ""

    assert needs_of(FunctionTool(tool, schema={"type": "object"})) == frozenset()
    assert needs_of(FunctionTool(tool, schema={"type": "object"}, needs=("workspace",))) == {"workspace"}
