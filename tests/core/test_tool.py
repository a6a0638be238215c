"""Tools as classes: named, described and typed by what their author wrote, and by nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel

from holdfast.core.bases import FileTool
from holdfast.core.content import text_block
from holdfast.core.pipeline import Answer
from holdfast.core.tool import Tool, ToolInput, ToolOutput, snake
from holdfast.errors import ConfigurationError, InvalidArguments, OutputInvalid

if TYPE_CHECKING:
    from decimal import Decimal as OnlyForTheTypeChecker


class WordCount(Tool):
    """Count the words of a text."""

    read_only = True

    class Input(ToolInput):
        text: str

    class Output(ToolOutput):
        words: int

    async def run(self, args: Input, ctx: Any) -> Output:
        return self.Output(words=len(args.text.split()))


class Annotated_(Tool):
    """Its answer is told by its annotation."""

    class Answered(ToolOutput):
        n: int

    async def run(self, args: Any, ctx: Any) -> Answered:
        return self.Answered(n=1)


class Unsaid(FileTool):
    async def run(self, args: Any, ctx: Any) -> str:
        return ""


class Heir(WordCount):
    name = "heir"


class Sync(Tool):
    """Plain."""

    description = "Said otherwise"

    def run(self, args: Any, ctx: Any) -> str:
        return ""


async def test_a_class_is_a_tool_with_its_name_docstring_and_types() -> None:
    tool = WordCount()
    assert tool.listing() == {
        "name": "word_count",
        "description": "Count the words of a text.",
        "inputSchema": {
            "type": "object",
            "properties": {"text": {"type": "string"}},
            "required": ["text"],
            "additionalProperties": False,
        },
        "outputSchema": {
            "type": "object",
            "properties": {"words": {"type": "integer"}},
            "required": ["words"],
            "additionalProperties": False,
        },
        "annotations": {"readOnlyHint": True, "idempotentHint": True},
    }
    args = tool.arguments.check({"text": "a b c"}, None)
    answer = tool.present(await tool.run(args, None))
    assert answer.body == {"content": [text_block('{"words":3}')], "structuredContent": {"words": 3}}


def test_the_answers_type_may_be_told_by_the_annotation_of_run_alone() -> None:
    output = Annotated_().output
    assert output is not None
    assert output.schema["properties"] == {"n": {"type": "integer"}}


def test_a_tool_without_a_docstring_is_not_described_by_that_of_its_base() -> None:
    assert Unsaid().description is None
    assert "description" not in Unsaid().listing()


def test_a_tool_inherits_the_description_of_an_authors_tool() -> None:
    assert Heir().description == "Count the words of a text."
    assert Sync().description == "Said otherwise"


@pytest.mark.parametrize(
    "facts, hints",
    [
        ({}, {"readOnlyHint": False, "idempotentHint": False, "destructiveHint": True}),
        (
            {"destructive": False, "idempotent": True},
            {"readOnlyHint": False, "idempotentHint": True, "destructiveHint": False},
        ),
        (
            {"read_only": True, "destructive": True, "open_world": False},
            {"readOnlyHint": True, "idempotentHint": True, "openWorldHint": False},
        ),
    ],
)
def test_facts_become_annotations_and_what_is_unsaid_counts_as_destructive(
    facts: dict[str, Any], hints: dict[str, Any]
) -> None:
    tool = type("Facts", (Sync,), facts)()
    assert tool.listing()["annotations"] == hints


def test_a_listing_holds_title_icons_and_meta_when_there_are_some() -> None:
    tool = type("Shown", (Sync,), {"title": "T", "icons": ({"src": "x"},), "meta": {"k": 1}})()
    listing = tool.listing()
    assert (listing["title"], listing["icons"], listing["_meta"]) == ("T", [{"src": "x"}], {"k": 1})


# -- where it runs ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "base, isolation, where",
    [
        (WordCount, None, "inline"),
        (WordCount, "inline", "inline"),
        (Sync, None, "thread"),
        (Sync, "thread", "thread"),
        (Sync, "process", "process"),
    ],
)
def test_work_runs_inline_when_async_and_in_a_thread_when_not(base: Any, isolation: Any, where: str) -> None:
    assert type("Placed", (base,), {"isolation": isolation})().where() == where


@pytest.mark.parametrize("base, isolation", [(WordCount, "thread"), (WordCount, "process"), (Sync, "inline")])
def test_a_place_that_cannot_hold_the_work_is_refused(base: Any, isolation: str) -> None:
    with pytest.raises(ConfigurationError, match="async def"):
        type("Placed", (base,), {"isolation": isolation})().where()


# -- built wrongly ---------------------------------------------------------------------------------------------------


class Without(Tool):
    """It does nothing."""


class NotAnInput(Sync):
    Input = int  # type: ignore[assignment]


class Hidden(Tool):
    async def run(self, args: Any, ctx: Any) -> OnlyForTheTypeChecker:
        raise AssertionError


class NoSchema(Tool):
    async def run(self, args: Any, ctx: Any) -> list[NoSchema]:
        raise AssertionError


@pytest.mark.parametrize(
    "kind, told",
    [
        (Without, "a Tool says what it does in run"),
        (NotAnInput, "subclass of ToolInput"),
        (Hidden, "Hidden.run: the return type cannot be resolved"),
        (NoSchema, "a return type has no JSON schema"),
    ],
)
def test_a_class_that_is_no_tool_is_refused_with_the_reason(kind: type[Tool], told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        kind()


@pytest.mark.parametrize("name", ["two words", "x" * 65, "naïve", "a/b", "a\n", "<lambda>"])
def test_a_name_that_some_client_would_not_take_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match="1 to 64 letters"):
        type("Named", (Sync,), {"name": name})()


def test_a_class_from_no_module_is_still_a_tool() -> None:
    scope: dict[str, Any] = {"Tool": Tool}
    exec("class Made(Tool):\n    def run(self, args, ctx) -> 'str': return ''", scope)  # noqa: S102 - as a notebook does
    assert scope["Made"]().output is None


def test_annotations_that_are_no_text_are_taken_as_they_are() -> None:
    class Answered(ToolOutput):
        n: int

    async def run(self: Any, args: Any, ctx: Any) -> Any:
        return Answered(n=1)

    run.__annotations__["return"] = Answered
    output = type("Plainly", (Tool,), {"run": run})().output
    assert output is not None
    assert output.schema["properties"] == {"n": {"type": "integer"}}


class Loose(BaseModel):
    n: int = 1


def test_an_input_that_is_a_plain_model_is_as_strict_as_any() -> None:
    tool = type("Plain", (Sync,), {"Input": Loose})()
    for sent in ({"n": "1"}, {"n": 1, "more": 2}):
        with pytest.raises(InvalidArguments):
            tool.arguments.check(sent, None)


# -- after egress ----------------------------------------------------------------------------------------------------


def test_structured_output_that_was_altered_is_checked_again() -> None:
    tool = WordCount()
    tool.recheck(Answer({"structuredContent": {"words": 3}}))
    with pytest.raises(OutputInvalid):
        tool.recheck(Answer({"structuredContent": {"words": "[redacted]"}}))
    with pytest.raises(OutputInvalid, match="lacks its structured output"):
        tool.recheck(Answer({"content": []}))


def test_errors_and_tools_without_an_output_need_no_structure() -> None:
    WordCount().recheck(Answer({"content": []}, is_error=True))
    Sync().recheck(Answer({"content": []}))


@pytest.mark.parametrize(
    "name, snaked",
    [("WordCount", "word_count"), ("HTTPTool", "http_tool"), ("A", "a"), ("Get2Things", "get2_things"), ("a_b", "a_b")],
)
def test_class_names_become_snake_case(name: str, snaked: str) -> None:
    assert snake(name) == snaked
