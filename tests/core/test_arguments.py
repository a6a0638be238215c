"""Arguments: strict by nature, lenient only where asked, and never repeating what was sent."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from typing_extensions import TypedDict

from holdfast.core.arguments import MAX_UNQUOTED, ModelArguments, ToolInput, holds_handle, takes_scalars, trimmed
from holdfast.core.complaints import MAX_EXPLAINED
from holdfast.core.function import FunctionTool
from holdfast.errors import ConfigurationError, InvalidArguments
from holdfast.safe.paths import DirPath, ReadPath, Root
from holdfast.safe.sandbox import Sandbox
from holdfast.testing import Workspace

CANARY = "canaryvalue"
NUMBER = 918273645546372


class Color(Enum):
    RED = "red"
    BLUE = "blue"


class Plain(BaseModel):
    a: int


@dataclass
class Record:
    a: int


class Typed(TypedDict):
    a: int


class Pair(NamedTuple):
    a: int
    b: str


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int


class Dog(BaseModel):
    kind: Literal["dog"]
    tricks: list[str]


class Tree(BaseModel):
    name: str
    children: list[Tree] = []


class Checked(BaseModel):
    inner: str

    @field_validator("inner")
    @classmethod
    def _known(cls, value: str) -> str:
        if value != "good":
            raise ValueError(f"{value} is not good")
        return value


class Agreeing(BaseModel):
    low: int
    high: int

    @model_validator(mode="after")
    def _ordered(self) -> Agreeing:
        assert self.low <= self.high, f"{self.low} is above {self.high}"
        return self


class Everything(ToolInput):
    text: Annotated[str, Field(max_length=8)] = ""
    count: Annotated[int, Field(ge=1, le=100)] = 1
    ratio: Annotated[float, Field(gt=0, lt=1)] = 0.5
    flag: bool = False
    color: Color = Color.RED
    mode: Literal["fast", "slow", 3] = "fast"
    plain: Plain | None = None
    record: Record | None = None
    typed: Typed | None = None
    pair: Pair | None = None
    named: dict[str, Plain] = Field(default_factory=dict)
    numbers: dict[int, str] = Field(default_factory=dict)
    keyed: dict[Annotated[str, Field(pattern="^[a-z]{1,3}$")], int] = Field(default_factory=dict)
    items: list[Plain] = Field(default_factory=list)
    couple: tuple[int, str] = (1, "a")
    mixed: int | Plain | list[int] | dict[str, int] | None = None
    pet: Annotated[Cat | Dog, Field(discriminator="kind")] | None = None
    tree: Tree | None = None
    checked: Checked | None = None
    agreeing: Agreeing | None = None
    when: datetime | None = None
    day: date | None = None
    lasts: timedelta | None = None
    who: UUID | None = None
    price: Decimal | None = None
    where: Path | None = None
    folder: DirPath | None = None
    files: list[ReadPath] = Field(default_factory=list)
    other: Annotated[int, Field(alias="otherName")] = 0
    unique: frozenset[int] = frozenset()


STRICT, LENIENT = ModelArguments(Everything), ModelArguments(Everything, lenient=True)
VALID: dict[str, Any] = {
    "text": "hello",
    "count": 5,
    "ratio": 0.25,
    "flag": True,
    "color": "blue",
    "mode": 3,
    "plain": {"a": 1},
    "record": {"a": 1},
    "typed": {"a": 1},
    "pair": [1, "b"],
    "named": {"x": {"a": 1}, "y": {"a": 2}},
    "numbers": {"1": "one"},
    "keyed": {"abc": 1},
    "items": [{"a": 1}, {"a": 2}],
    "couple": [2, "b"],
    "mixed": {"k": 1},
    "pet": {"kind": "dog", "tricks": ["sit"]},
    "tree": {"name": "r", "children": [{"name": "c", "children": []}]},
    "checked": {"inner": "good"},
    "agreeing": {"low": 1, "high": 2},
    "when": "2026-01-02T03:04:05Z",
    "day": "2026-01-02",
    "lasts": "PT3S",
    "who": "12345678-1234-5678-1234-567812345678",
    "price": "1.50",
    "where": "a/b",
    "folder": "docs",
    "files": ["a.txt"],
    "otherName": 4,
    "unique": [1, 2],
}


@pytest.fixture
def sandbox(tmp_path: Path) -> Sandbox:
    return Sandbox(workspace=Root(Workspace(tmp_path).path))


def refused(model: type[BaseModel], sent: Mapping[str, Any], *, lenient: bool = False) -> str:
    with pytest.raises(InvalidArguments) as caught:
        ModelArguments(model, lenient=lenient).check(sent, None)
    return caught.value.message


def complaint(arguments: ModelArguments, sent: Mapping[str, Any]) -> str | None:
    """The message, or nothing when what was sent fits."""
    try:
        arguments.check(sent, None)
    except InvalidArguments as refusal:
        return refusal.message
    return None


def one(annotation: Any) -> type[BaseModel]:
    """A tool's input with the one argument ``value``."""
    return type("One", (ToolInput,), {"__annotations__": {"value": annotation}, "__module__": __name__})


def test_arguments_that_fit_become_typed_values(sandbox: Sandbox) -> None:
    args = ModelArguments(Everything).check(VALID, sandbox)
    assert args.color is Color.BLUE
    assert args.pet == Dog(kind="dog", tricks=["sit"])
    assert args.who == UUID("12345678-1234-5678-1234-567812345678")
    assert args.lasts == timedelta(seconds=3)
    assert args.price == Decimal("1.50")
    assert args.pair == Pair(1, "b")
    assert isinstance(args.folder, DirPath)
    assert args.other == 4
    assert args.numbers == {1: "one"}


def test_typed_arguments_cannot_be_changed_by_the_tool_that_got_them() -> None:
    args = ModelArguments(Everything).check({}, None)
    with pytest.raises(ValueError, match="frozen"):
        args.count = 2


# -- what was sent is never repeated ---------------------------------------------------------------------------------

Path_ = tuple[Any, ...]


def places(value: Any, here: Path_ = ()) -> list[Path_]:
    found = [here]
    if isinstance(value, dict):
        for key, item in value.items():
            found += places(item, (*here, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            found += places(item, (*here, index))
    return found


PLACES = [place for place in places(VALID) if place]
HOSTILE: list[Any] = [
    CANARY,
    CANARY.upper(),
    f"/etc/{CANARY}/../..",
    f"{CANARY}\n{CANARY}",
    NUMBER,
    -NUMBER,
    NUMBER + 0.5,
    [CANARY],
    {CANARY: CANARY},
    {"a": CANARY},
    {"kind": CANARY},
    {"kind": "cat", "lives": CANARY, CANARY: NUMBER},
    {"name": "x", "children": [{"name": "y", "children": [{CANARY: 1}]}]},
    {"low": NUMBER, "high": 1},
    {"inner": CANARY},
    [[CANARY], {CANARY: [CANARY]}],
    None,
    True,
]


def planted(place: Path_, value: Any, as_key: bool) -> dict[str, Any]:
    sent = copy.deepcopy(VALID)
    holder: Any = sent
    for step in place[:-1]:
        holder = holder[step]
    if as_key and isinstance(holder[place[-1]], dict):
        holder[place[-1]][CANARY] = value
    elif as_key and isinstance(holder, dict):
        holder[CANARY] = holder.pop(place[-1])
    else:
        holder[place[-1]] = value
    return sent


@settings(max_examples=600, deadline=None)
@given(
    plants=st.lists(
        st.tuples(st.sampled_from(PLACES), st.sampled_from(HOSTILE), st.booleans()), min_size=1, max_size=3
    ),
    lenient=st.booleans(),
)
def test_no_message_holds_a_sent_value_or_a_key_that_the_caller_chose(plants: list[Any], lenient: bool) -> None:
    sent = VALID
    for place, value, as_key in plants:
        try:
            sent = merged(sent, planted(place, value, as_key), place)
        except (KeyError, TypeError, IndexError):
            continue
    told = complaint(LENIENT if lenient else STRICT, sent)
    if told is not None:
        assert CANARY not in told.lower()
        assert str(NUMBER) not in told
        assert told == told.strip() != ""


def merged(earlier: dict[str, Any], later: dict[str, Any], place: Path_) -> dict[str, Any]:
    """``earlier`` with the part of ``later`` in which something was planted."""
    return {**earlier, place[0]: later[place[0]]} if place[0] in later else {**earlier, CANARY: later[CANARY]}


@pytest.mark.parametrize("place", PLACES, ids=str)
def test_a_canary_in_each_place_is_refused_or_taken_but_never_repeated(place: Path_) -> None:
    for value in HOSTILE:
        told = complaint(STRICT, planted(place, value, as_key=False)) or ""
        assert CANARY not in told.lower()
        assert str(NUMBER) not in told


def test_a_validator_that_raises_with_the_value_in_its_text_is_not_repeated_but_its_field_is_named() -> None:
    message = refused(Everything, {"checked": {"inner": CANARY}})
    assert message == "checked.inner did not pass the tool's own check: takes a string"


def test_a_failed_assertion_over_two_fields_names_what_holds_them() -> None:
    message = refused(Everything, {"agreeing": {"low": NUMBER, "high": 1}})
    assert message == "agreeing did not pass the tool's own check: takes an object or null"


# -- strict ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "annotation, sent",
    [
        (int, "41"),
        (int, 1.0),
        (int, True),
        (int, None),
        (bool, 1),
        (bool, "true"),
        (float, "1.5"),
        (str, 5),
        (str, ["a"]),
        (list[int], "[1]"),
        (list[int], {"0": 1}),
        (list[int], [1, "2"]),
        (dict[str, int], [["a", 1]]),
        (datetime, 5),
        (UUID, 5),
        (Color, "RED"),
        (Plain, [1]),
    ],
)
def test_nothing_is_converted(annotation: Any, sent: Any) -> None:
    assert refused(one(annotation), {"value": sent}).startswith("value")


def test_a_whole_number_is_a_number() -> None:
    assert ModelArguments(one(float)).check({"value": 1}, None).value == 1.0


@pytest.mark.parametrize(
    "field", ["plain", "record", "typed", "named", "items", "mixed", "pet", "tree", "checked", "agreeing"]
)
def test_unknown_arguments_are_refused_at_every_depth(field: str) -> None:
    sent: Any = copy.deepcopy(VALID[field])
    holder = {"named": lambda v: v["x"], "items": lambda v: v[1], "tree": lambda v: v["children"][0]}.get(
        field, lambda v: v
    )(sent)
    holder[CANARY] = "x"
    message = refused(Everything, {field: sent})
    assert f"an argument in {field}" in message
    assert CANARY not in message


def test_an_unknown_argument_at_the_top_is_refused_with_what_there_is() -> None:
    assert refused(Plain, {"a": 1, CANARY: 2}) == "an argument is unknown: it takes a"
    assert refused(ToolInput, {CANARY: 2}) == "an argument is unknown: it takes none"


def test_a_named_tuple_takes_no_further_names() -> None:
    assert CANARY not in refused(Everything, {"pair": {"a": 1, "b": "b", CANARY: 1}})


def test_a_model_that_says_it_ignores_more_is_still_held_to_its_names() -> None:
    class Careless(BaseModel):
        model_config = ConfigDict(extra="ignore")
        a: int = 1

    assert "unknown" in refused(one(Careless), {"value": {CANARY: 1}})


@pytest.mark.parametrize("sent", [{"text": "\ud800"}, {"\ud800": 1}, {"named": {"\udfff": {"a": 1}}}])
def test_text_that_is_not_unicode_is_refused_as_such(sent: dict[str, Any]) -> None:
    assert "not valid Unicode" in refused(Everything, sent)


def test_a_hundred_thousand_wrong_items_are_refused_within_a_second() -> None:
    begun = time.process_time()
    message = refused(one(list[int]), {"value": ["x"] * 100_000})
    assert time.process_time() - begun < 1.0
    assert message == f"more than {MAX_EXPLAINED} values do not fit: value takes a list"


def test_a_hundred_thousand_wrong_values_of_a_union_are_refused_within_three_seconds() -> None:
    sent = {"value": {f"k{n}": "x" for n in range(100_000)}}
    begun = time.process_time()
    refused(one(dict[str, int | bool | Plain | list[int] | None]), sent, lenient=True)
    assert time.process_time() - begun < 3.0  # 15 s before


# -- lenient ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "annotation, sent, meant",
    [
        (int, "41", 41),
        (int, " 5 ", 5),
        (float, "1.5", 1.5),
        (bool, "True", True),
        (bool, "false", False),
        (list[int], "[1, 2]", [1, 2]),
        (list[int], ["1", "2"], [1, 2]),
        (dict[str, int], '{"a": 1}', {"a": 1}),
        (Plain, '{"a": 1}', Plain(a=1)),
        (Plain, {"a": "1"}, Plain(a=1)),
        (int | None, "7", 7),
        (list[int] | dict[str, int], "[1]", [1]),
        (list[int] | dict[str, int], ["1"], [1]),
        (list[int] | dict[str, int], {"a": "1"}, {"a": 1}),
        (Literal[1, 2], "2", 2),
        (str, "5", "5"),
        (str | int, "5", "5"),
    ],
)
def test_lenient_reads_numbers_booleans_lists_and_objects_from_text(annotation: Any, sent: Any, meant: Any) -> None:
    value = ModelArguments(one(annotation), lenient=True).check({"value": sent}, None).value
    assert value == meant
    assert type(value) is type(meant)


@pytest.mark.parametrize(
    "annotation, sent",
    [
        (int, "5.0"),
        (int, "0x10"),
        (int, "1_000"),
        (int, "null"),
        (int, ""),
        (int, "9" * 5000),
        (Plain | None, "null"),
        (bool, "yes"),
        (bool, "1"),
        (float, "NaN"),
        (float, "Infinity"),
        (float, "1e400"),
        (Literal["a"], '"a"'),
        (int, 5.0),
        (str, 5),
        (list[int], '["1"]'),
        (list[Any], "[" * 65 + "]" * 65),
        (list[Any], "[" * 60_000),
        (dict[str, int], '{"a": 1, "a": 2}'),
        (list[int], "[" + "1," * MAX_UNQUOTED + "1]"),
        (list[str], '["\\ud800"]'),
    ],
)
def test_lenient_reads_nothing_else(annotation: Any, sent: Any) -> None:
    assert refused(one(annotation), {"value": sent}, lenient=True).startswith("value")


def test_lenient_still_refuses_unknown_names_also_inside_text() -> None:
    assert refused(Plain, {"a": "1", CANARY: "2"}, lenient=True) == "an argument is unknown: it takes a"
    assert CANARY not in refused(one(Plain), {"value": f'{{"a": 1, "{CANARY}": 2}}'}, lenient=True)


def test_lenient_leaves_the_callers_own_object_as_it_was() -> None:
    sent = {"value": ["1", "2"]}
    ModelArguments(one(list[int]), lenient=True).check(sent, None)
    assert sent == {"value": ["1", "2"]}


# -- defaults that are guards ----------------------------------------------------------------------------------------


def list_folder(path: DirPath = ".", also: list[ReadPath] = ["a.txt"], one_more: ReadPath | None = None) -> str:  # type: ignore[assignment, list-item]  # noqa: B006 - the way in which authors write them
    """List."""
    return ""


class ListFolder(ToolInput):
    path: DirPath = "."  # type: ignore[assignment]
    also: list[ReadPath] = Field(["a.txt"])  # type: ignore[list-item]
    made: list[ReadPath] = Field(default_factory=lambda: ["b.txt"])  # type: ignore[arg-type, return-value]


@pytest.mark.parametrize(
    "arguments, prefix",
    [(lambda: FunctionTool(list_folder).arguments, "arg_"), (lambda: ModelArguments(ListFolder), "")],
    ids=["function", "class"],
)
def test_the_default_of_a_guarded_argument_is_a_guard_too(
    arguments: Callable[[], ModelArguments], prefix: str, sandbox: Sandbox
) -> None:
    values = vars(arguments().check({}, sandbox))
    assert isinstance(values[prefix + "path"], DirPath)
    assert [type(item) for item in values[prefix + "also"]] == [ReadPath]


def test_a_default_that_is_made_is_guarded_too(sandbox: Sandbox) -> None:
    assert [type(item) for item in ModelArguments(ListFolder).check({}, sandbox).made] == [ReadPath]


def test_a_default_that_leaves_the_workspace_is_refused_as_if_it_had_been_sent(sandbox: Sandbox) -> None:
    class Escaping(ToolInput):
        path: ReadPath = "../secret"  # type: ignore[assignment]

    with pytest.raises(InvalidArguments, match=r"^path: "):
        ModelArguments(Escaping).check({}, sandbox)


def test_a_handle_that_says_no_alone_gives_the_refusal_its_code(sandbox: Sandbox) -> None:
    with pytest.raises(InvalidArguments) as caught:
        ModelArguments(Everything).check({"folder": f"../{CANARY}"}, sandbox)
    assert caught.value.code.startswith("path.")
    assert CANARY not in caught.value.message
    with pytest.raises(InvalidArguments) as caught:
        ModelArguments(Everything).check({"folder": f"../{CANARY}", "count": 0}, sandbox)
    assert caught.value.code == "arguments.invalid"


@pytest.mark.parametrize("sent", [5, ["a"], "x" * 5000])
def test_a_handle_takes_text_of_bounded_length_only(sent: Any, sandbox: Sandbox) -> None:
    with pytest.raises(InvalidArguments, match=r"^folder: takes"):
        ModelArguments(Everything).check({"folder": sent}, sandbox)


def test_handles_are_found_in_unions_and_lists() -> None:
    assert holds_handle(ReadPath)
    assert holds_handle(list[ReadPath] | None)
    assert holds_handle(dict[str, Annotated[ReadPath, "x"]])
    assert not holds_handle(str | None)


# -- built wrongly ---------------------------------------------------------------------------------------------------


class Later(BaseModel):
    value: NotThereYet  # type: ignore[name-defined]  # noqa: F821 - that is the fault


@pytest.mark.parametrize("model", [int, "text", Later, one(Callable[[], int])])
def test_an_input_without_a_schema_is_an_error_of_the_author(model: Any) -> None:
    with pytest.raises(ConfigurationError):
        ModelArguments(model)


# -- the schema that agents read -------------------------------------------------------------------------------------


class Titled(ToolInput):
    """Not for agents."""

    title: str = "a title"
    properties: dict[str, int] = Field({"title": 1})
    plain: Plain | None = None


def test_titles_that_no_author_wrote_are_dropped_and_names_and_defaults_are_kept() -> None:
    schema = ModelArguments(Titled).schema
    assert schema["properties"]["title"] == {"type": "string", "default": "a title"}
    assert schema["properties"]["properties"]["default"] == {"title": 1}
    assert "title" not in schema["properties"]["properties"]
    assert "description" not in schema
    assert "title" not in schema["$defs"]["Plain"]
    assert schema["additionalProperties"] is False


def test_a_title_inside_a_choice_of_schemas_is_dropped_too() -> None:
    assert trimmed({"anyOf": [{"title": "A", "type": "string"}, True]}) == {"anyOf": [{"type": "string"}, True]}


# -- scalars are taken as they are -----------------------------------------------------------------------------------


class Scalars(ToolInput):
    a: int
    b: float = 1.5
    c: str = Field("x", max_length=3, pattern="^[^z]*$")
    d: bool = False
    e: int = Field(3, ge=0, le=1 << 60, alias="eee")


anything = (
    st.integers() | st.floats() | st.booleans() | st.none() | st.text(st.characters(exclude_categories=()), max_size=4)
    | st.sampled_from([10**30, 10**400, -0.0, "z", "5", "true", "\ud800", b"x", Decimal("1"), (1,), [1], {"a": 1}])
)  # fmt: skip


@settings(max_examples=500, deadline=None)
@given(
    sent=st.dictionaries(st.sampled_from(["a", "b", "c", "d", "e", "eee", "f", "\ud800"]), anything, max_size=6),
    lenient=st.booleans(),
)
def test_scalars_taken_as_they_are_are_judged_as_if_they_had_been_read_from_json(
    sent: dict[str, Any], lenient: bool
) -> None:
    direct, read = ModelArguments(Scalars, lenient=lenient), ModelArguments(Scalars, lenient=lenient)
    assert direct._direct is not None
    read._direct = None
    said = []
    for arguments in (direct, read):
        try:
            made = arguments.check(sent, None)
            said.append(f"{made!r} {made.model_fields_set}")
        except InvalidArguments as error:
            said.append(f"{error.code} {error.message}")
    assert said[0] == said[1]


class Looked(ToolInput):
    a: str

    @field_validator("a")
    def _check(cls, a: str) -> str:
        return a


class Begun(ToolInput):
    a: str

    def model_post_init(self, context: Any) -> None:
        """More than reading."""


class Listed(ToolInput):
    a: list[int]


@pytest.mark.parametrize("model", [Looked, Begun, Listed])
def test_what_is_more_than_scalars_is_read_from_json(model: type[ToolInput]) -> None:
    assert not takes_scalars(model)
    assert takes_scalars(Scalars)
