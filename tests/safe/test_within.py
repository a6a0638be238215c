"""Named roots: an argument bound to one sees that one alone, by its own rules."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from holdfast.core.function import FunctionTool
from holdfast.core.needs import needs_of
from holdfast.core.tool import ToolInput
from holdfast.errors import ConfigurationError, InvalidArguments, MissingSetting, UnsafePath
from holdfast.safe.paths import DirPath, ReadPath, Root, Within, WritePath
from holdfast.safe.sandbox import Sandbox

Docs = Annotated[ReadPath, Within("docs")]


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    for name in ("workspace", "docs"):
        (tmp_path / name / "sub").mkdir(parents=True)
        (tmp_path / name / "file").write_text(name)
        (tmp_path / name / "plan.key").write_text("secret")
    docs = Root(tmp_path / "docs", name="docs", read_only=True, deny=[".*", "*.key"], max_read=10)
    made = Sandbox(workspace=Root(tmp_path / "workspace"), roots={"docs": docs})
    yield made
    made.close()


class Arguments(ToolInput):
    here: ReadPath
    there: Docs
    several: tuple[Docs, ...] = ()
    maybe: Docs | None = None
    folder: Annotated[DirPath, Within("docs")] = "."  # type: ignore[assignment]


def test_each_argument_opens_beneath_its_own_root(sandbox: Sandbox) -> None:
    sent = {"here": "file", "there": "./file", "several": ("sub/../file",), "maybe": "file"}
    found = Arguments.model_validate(sent, context=sandbox)
    assert found.here.read_text_sync() == "workspace"
    assert found.maybe is not None
    for path in (found.there, *found.several, found.maybe):
        assert path.read_text_sync() == "docs"
    assert [entry.name for entry in found.folder.list_sync()] == ["file", "sub"]
    assert found.model_dump() == {"here": "file", "there": "file", "several": ("file",), "maybe": "file", "folder": "."}


def test_its_own_deny_rules_limits_and_read_only_hold(sandbox: Sandbox, tmp_path: Path) -> None:
    docs, here = TypeAdapter(Docs), TypeAdapter(ReadPath)
    assert here.validate_python("plan.key", context=sandbox).read_text_sync() == "secret"
    for text in ("plan.key", "../workspace/file", "/etc/passwd", 7, "x" * 5_000):
        with pytest.raises(ValidationError):
            docs.validate_python(text, context=sandbox)
    with pytest.raises(ValidationError, match="read-only"):
        TypeAdapter(Annotated[WritePath, Within("docs")]).validate_python("new", context=sandbox)
    (tmp_path / "docs" / "long").write_text("x" * 11)
    with pytest.raises(UnsafePath, match="10 bytes"):
        docs.validate_python("long", context=sandbox).read_text_sync()


def test_a_root_that_is_not_there_is_no_other_root(sandbox: Sandbox) -> None:
    for context in (sandbox, None, Sandbox()):
        path = TypeAdapter(Annotated[ReadPath, Within("none")]).validate_python("file", context=context)
        with pytest.raises(UnsafePath) as caught:
            path.read_text_sync()
        assert caught.value.code == "path.no_workspace"


def test_the_schema_names_the_folder() -> None:
    schema = TypeAdapter(Docs).json_schema()
    assert schema["type"] == "string"
    assert 'folder "docs"' in schema["description"]
    assert FunctionTool(reading).listing()["inputSchema"]["properties"]["path"]["description"] == schema["description"]


def reading(path: Docs) -> str:
    """Read."""
    return path.read_text_sync()


def test_the_same_text_in_two_roots_is_not_the_same_path(sandbox: Sandbox) -> None:
    here = ReadPath("file", sandbox)
    there = ReadPath("file", sandbox.within("docs"))
    assert here != there
    assert here == ReadPath("./file", sandbox)
    assert len({here, there, ReadPath("file", sandbox)}) == 2
    assert here != "file"


def test_a_pickled_path_opens_only_its_own_root_anew(sandbox: Sandbox) -> None:
    there = TypeAdapter(Docs).validate_python("file", context=sandbox)
    again = pickle.loads(pickle.dumps(there))  # noqa: S301 - our own bytes
    assert again == there
    assert again.read_text_sync() == "docs"
    assert (again._root().name, again._root().read_only, again._root().deny.patterns) == ("docs", True, (".*", "*.key"))


@pytest.mark.parametrize("annotation", [str, ReadPath | None, list[ReadPath], Any])
def test_around_anything_but_a_path_it_is_the_authors_mistake(annotation: Any) -> None:
    with pytest.raises(ConfigurationError, match="directly around a path"):
        TypeAdapter(Annotated[annotation, Within("docs")])


class Model(BaseModel):
    path: Docs
    more: list[Docs | None] = []


@pytest.mark.parametrize(
    "annotation, needs",
    [
        (Docs, {"root:docs"}),
        (Docs | None, {"root:docs"}),
        (list[Docs], {"root:docs"}),
        (dict[str, Docs], {"root:docs"}),
        (Annotated[Docs, "note"], {"root:docs"}),
        (Model, {"root:docs"}),
        (Annotated[ReadPath, "note"], {"workspace"}),
        (tuple[Docs, WritePath], {"root:docs", "workspace"}),
    ],
    ids=["bound", "optional", "list", "values", "noted", "model", "unbound", "both"],
)
def test_what_is_bound_to_a_root_needs_that_root_and_not_the_workspace(annotation: Any, needs: set[str]) -> None:
    def tool(value: Any) -> str:
        return ""

    tool.__annotations__["value"] = annotation
    assert needs_of(FunctionTool(tool)) == needs


def test_what_a_caller_sends_is_checked_by_the_named_root(sandbox: Sandbox) -> None:
    tool = FunctionTool(reading)
    assert tool.arguments.check({"path": "file"}, sandbox)
    for text in ("plan.key", "../docs/file", ".git/config"):
        with pytest.raises(InvalidArguments):
            tool.arguments.check({"path": text}, sandbox)


def test_a_server_without_the_root_does_not_start_and_says_which_setting_is_missing(sandbox: Sandbox) -> None:
    from holdfast.core.reach import check_needs

    check_needs([FunctionTool(reading)], sandbox)
    with pytest.raises(MissingSetting, match="tool reading needs a folder named docs: set HOLDFAST_ROOTS="):
        check_needs([FunctionTool(reading)], Sandbox(workspace=sandbox.workspace))
    with pytest.raises(MissingSetting, match="HOLDFAST_WORKSPACE"):
        check_needs([FunctionTool(lambda: "", name="x", needs=("workspace",))], Sandbox(roots=sandbox.roots))


def test_closing_the_sandbox_closes_every_root(sandbox: Sandbox) -> None:
    paths = [ReadPath("file", sandbox), ReadPath("file", sandbox.within("docs"))]
    sandbox.close()
    for path in paths:
        with pytest.raises(UnsafePath) as caught:
            path.read_text_sync()
        assert caught.value.code == "path.closed"
    assert [root.name for root in sandbox.all_roots()] == ["workspace", "docs"]
    assert list(Sandbox().all_roots()) == []
