"""Whatever leaves is cleaned, redacted, flagged and bounded, whichever way it leaves."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic_core import PydanticSerializationError, from_json, to_json
from support.calls import Client, ask, code, living, server_in, text

from holdfast import Audio, Context, EmbeddedResource, Image, Limits, ResourceLink, Server, ToolError, ToolOutput
from holdfast.core.content import Result
from holdfast.core.pipeline import META, Answer
from holdfast.errors import HoldfastError, ProtocolError, Refusal
from holdfast.guards.egress import ROOM, Egress
from holdfast.live import Live
from holdfast.safe.json import dumps
from holdfast.safe.outgoing import Outgoing
from holdfast.safe.secrets import SecretRegistry

SECRET = "canary-of-the-operator-0123456789"
HIDDEN = "a\x1b[31mb\u202e\u200bc"
Base = Path


@pytest.fixture
def server(tmp_path: Base) -> Server:
    """A server that knows one secret."""
    return server_in(tmp_path, auth__tokens=SECRET)


class Row(ToolOutput):
    """Loose enough for a redacted name."""

    name: str
    kind: str


class Strict(ToolOutput):
    """Too strict for one."""

    name: Literal["canary-of-the-operator-0123456789"]


class Text:
    """A text block of its own."""

    def __init__(self, text: str) -> None:
        self.text = text

    def block(self) -> dict[str, Any]:
        return {"type": "text", "text": self.text}


def size(answer: Answer) -> int:
    return len(to_json({**answer.body, "_meta": answer.meta}))


async def test_hidden_text_is_stripped_secrets_are_redacted_and_both_are_flagged(server: Server) -> None:
    @server.tool
    async def hide() -> str:
        return HIDDEN

    @server.tool
    async def tell() -> str:
        return f"the token is {SECRET}"

    @server.tool
    async def plain() -> str:
        return "plain"

    async with living(server) as live:
        hidden, told, clean = await ask(live, "hide"), await ask(live, "tell"), await ask(live, "plain")
        assert live.plant.metrics.snapshot()
    assert text(hidden) == "abc"
    assert SECRET not in text(told)
    assert hidden.meta[f"{META}altered"] is told.meta[f"{META}altered"] is True
    assert clean.meta == {}


@pytest.mark.parametrize(
    "error", [ToolError, Refusal, lambda message: ProtocolError(-32000, message, {"why": message})]
)
async def test_errors_are_cleaned_as_answers_are(server: Server, error: Any) -> None:
    @server.tool
    async def fail() -> str:
        raise error(f"{HIDDEN} {SECRET}")

    async with living(server) as live:
        try:
            answer = await ask(live, "fail")
            said = text(answer)
        except ProtocolError as raised:
            said = f"{raised.message} {raised.data}"
    assert said.startswith("abc")
    assert SECRET not in said


async def test_an_error_message_is_bounded_too(server: Server) -> None:
    @server.tool(limits=Limits(output=2_000))
    async def fail(protocol: bool) -> str:
        raise ProtocolError(-32000, "x" * 100_000) if protocol else ToolError("x" * 100_000)

    async with living(server) as live:
        assert len(text(await ask(live, "fail", {"protocol": False}))) < 2_100
        with pytest.raises(ProtocolError) as raised:
            await ask(live, "fail", {"protocol": True})
    assert len(raised.value.message) <= 2_000


async def test_a_structure_is_checked_again_after_redaction_and_refused_when_it_no_longer_fits(
    server: Server,
) -> None:
    @server.tool
    async def loose() -> Row:
        return Row(name=SECRET, kind=HIDDEN)

    @server.tool
    async def strict() -> Strict:
        return Strict(name=SECRET)

    async with living(server) as live:
        fine, broken = await ask(live, "loose"), await ask(live, "strict")
    assert fine.body["structuredContent"]["kind"] == "abc"
    assert SECRET not in json.dumps(fine.body)
    assert code(broken) == "output.invalid"
    assert SECRET not in text(broken)


@pytest.mark.parametrize("character", ["x", "\n", '"', "é", "\\", "日"])
async def test_text_that_is_too_long_is_cut_to_its_limit_as_json_and_says_so(server: Server, character: str) -> None:
    @server.tool(limits=Limits(output=10_000))
    async def long() -> str:
        return character * 50_000

    async with living(server) as live:
        answer = await ask(live, "long")
    assert answer.meta[f"{META}truncated"] is True
    assert "truncated" in text(answer)
    assert 2_000 < size(answer) <= 10_100


async def test_the_first_blocks_of_several_are_kept_as_far_as_there_is_room(server: Server) -> None:
    @server.tool(limits=Limits(output=5_000))
    async def many() -> Result:
        return Result([Text("a" * 2_000), Text("b" * 2_000), Text("c" * 2_000), Text("d")])

    @server.tool(limits=Limits(output=2_000))
    async def rows() -> list[str]:
        return ["a" * 1_300, "b" * 1_300]

    async with living(server) as live:
        answer = await ask(live, "many")
        assert code(await ask(live, "rows")) == "output.too_large", "structured output is never cut"
    texts = [block["text"] for block in answer.body["content"]]
    assert texts[:2] == ["a" * 2_000, "b" * 2_000]
    assert len(texts) == 3
    assert texts[2].startswith("c")
    assert len(texts[2]) < 1_000


@pytest.mark.parametrize(
    "value",
    [
        [Image(b"x" * 4_000)],
        ["text", Audio(b"x" * 4_000)],
        [EmbeddedResource("note://x", "x" * 4_000)],
        Result("x", {"much": "x" * 4_000}),
        Result("x" * 4_000, {"little": "x"}),
        Result("x", meta={"much": "x" * 4_000}),
        Result(meta={"much": "x" * 4_000}),
    ],
    ids=["picture", "sound", "resource", "structure", "text of a structure", "meta", "meta alone"],
)
async def test_what_would_be_broken_by_cutting_is_refused(server: Server, value: Any) -> None:
    @server.tool(limits=Limits(output=3_000))
    async def big() -> Any:
        return value

    async with living(server) as live:
        answer = await ask(live, "big")
    assert code(answer) == "output.too_large"
    assert "larger than 3000 bytes" in text(answer)


async def test_even_a_tiny_limit_is_kept(server: Server) -> None:
    @server.tool(limits=Limits(output=100))
    async def tiny() -> str:
        return "x" * 200

    @server.tool(limits=Limits(output=10))
    async def none() -> str:
        return "x" * 200

    async with living(server) as live:
        answer = await ask(live, "tiny")
        assert code(await ask(live, "none")) == "output.too_large"
    assert answer.meta[f"{META}truncated"] is True
    assert size(answer) <= 120


async def test_pictures_and_blobs_pass_untouched(server: Server) -> None:
    @server.tool
    async def look() -> list[Any]:
        return [
            Image(SECRET.encode()),
            Audio(b"\x1b[31m"),
            EmbeddedResource("note://x", b"\x00\x1b"),
            ResourceLink("note://y", HIDDEN),
        ]

    @server.tool
    async def picture_alone() -> Image:
        return Image(SECRET.encode())

    async with living(server) as live:
        picture, sound, blob, link = (await ask(live, "look")).body["content"]
        assert (await ask(live, "picture_alone")).meta == {}, "what was only looked through is not marked as altered"
    assert picture["data"] == Image(SECRET.encode()).block()["data"]
    assert sound["data"] == Audio(b"\x1b[31m").block()["data"]
    assert blob["resource"]["blob"] == "ABs="
    assert link["name"] == "abc"


async def test_meta_is_cleaned_and_what_json_cannot_hold_fails_alone(server: Server) -> None:
    @server.tool
    async def tagged() -> Result:
        return Result("x", meta={"note": f"{HIDDEN} {SECRET}"})

    @server.tool
    async def odd() -> Result:
        return Result("x", meta={"note": object()})

    async with living(server) as live:
        answer = await ask(live, "tagged")
        assert code(await ask(live, "odd")) in ("output.invalid", "tool.failed")
    assert answer.meta["note"].startswith("abc ")
    assert SECRET not in answer.meta["note"]


async def test_a_question_is_cleaned_but_what_the_user_answered_before_comes_back_as_it_was(server: Server) -> None:
    from pydantic import BaseModel

    class Name(BaseModel):
        name: str

    @server.tool
    async def who(ctx: Context) -> str:
        first = await ctx.elicit("Who?", Name)
        await ctx.elicit(f"And {HIDDEN}?", Name)
        return first.data.name if first.data else "?"

    known = {"action": "accept", "content": {"name": SECRET}}
    async with living(server) as live:
        answer = await ask(live, "who", client=Client("elicitation", q1=known))
    assert answer.input_required
    assert answer.body["requestState"] == {"q1": known}, "it leaves sealed"
    assert answer.body["inputRequests"]["q2"]["params"]["message"] == "And abc?"


async def test_a_question_that_the_author_sends_raw_is_cleaned_at_the_edge_too(server: Server) -> None:
    from holdfast.core.context import InputRequired

    @server.tool
    async def raw(message: str) -> Row:
        raise InputRequired({"q": {"method": "elicitation/create", "params": {"message": message + HIDDEN[1:]}}}, {})

    @server.tool
    async def plain() -> Row:
        raise InputRequired({"q": {"method": "elicitation/create", "params": {"message": "Who?"}}}, {})

    async with living(server) as live:
        answer = await ask(live, "raw", {"message": "a"})
        assert (await ask(live, "plain")).meta == {}, "a question that was clean is not marked"
    assert answer.body["inputRequests"]["q"]["params"]["message"] == "abc"
    assert answer.meta[f"{META}altered"] is True


async def test_resources_and_prompts_are_cleaned_and_refused_when_too_large(server: Server) -> None:
    @server.resource("note://one", limits=Limits(output=1_000))
    async def note() -> str:
        return HIDDEN

    @server.resource("note://big", limits=Limits(output=1_000))
    async def big() -> str:
        return "x" * 2_000

    @server.prompt
    async def greet() -> str:
        return HIDDEN

    async with living(server) as live:
        read = await ask(live, "note://one", kind="resource")
        with pytest.raises(ProtocolError, match="larger than 1000 bytes"):
            await ask(live, "note://big", kind="resource")
        said = await ask(live, "greet", kind="prompt")
    assert read.body["contents"][0]["text"] == "abc"
    assert said.body["messages"][0]["content"]["text"] == "abc"


async def test_the_bytes_that_left_are_counted(server: Server, tmp_path: Base) -> None:
    from support.calls import logged

    @server.tool(limits=Limits(output=1_000))
    async def say(much: bool) -> str:
        return "x" * (5_000 if much else 10)

    async def both(live: Live) -> list[Answer]:
        return [await ask(live, "say", {"much": much}) for much in (False, True)]

    async with living(server) as live:
        await both(live)
    little, much = [line["bytes_out"] for line in logged(tmp_path) if line["event"] == "call"]
    assert little < 100
    assert 500 < much <= 1_000


# -- one look at the JSON in place of one at each string -------------------------------------------------------------

KNOWN = SecretRegistry()
KNOWN.add(SECRET, "operator")
KNOWN.add('a "quoted" \\ one', "quoted")
LINES = "a line\n" * 1_000


def shown_twice(value: Any, wrapped: bool) -> dict[str, Any]:
    """A structure and its own JSON as a text, as declared outputs are sent."""
    value = from_json(dumps(value))
    structure = {"result": value} if wrapped or not isinstance(value, dict) else value
    return {"content": [{"type": "text", "text": dumps(value).decode()}], "structuredContent": structure}


bits = st.sampled_from(
    ["plain", "two\nlines", 'with "quotes"', "é日😀", HIDDEN, "\x7f", "\ud800", SECRET, f"x{SECRET}y",
     SECRET[:9] + "\u200b" + SECRET[9:],
     'a "quoted" \\ one', "password=hunter2hunter2", LINES, "data", "blob", "image"]
)  # fmt: skip
values = st.recursive(
    bits | st.integers() | st.floats() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(bits, inner, max_size=3),
    max_leaves=8,
)
blocks = st.builds(lambda text: {"type": "text", "text": text}, bits) | st.builds(
    lambda data, kind: {"type": kind, "data": data, "mimeType": "x/y"}, bits, st.sampled_from(["image", "audio", "odd"])
)
bodies = (
    st.fixed_dictionaries({"content": st.lists(blocks, max_size=3)})
    | st.fixed_dictionaries(
        {"content": st.lists(blocks, max_size=2), "structuredContent": st.dictionaries(bits, values)}
    )
    | st.builds(lambda raw: {"contents": [{"uri": "a://b", "blob": raw}, {"uri": "a://c", "text": raw}]}, bits)
    | st.builds(shown_twice, values, st.booleans())
)  # fmt: skip


def sent(body: dict[str, Any], limit: int, *, at_once: bool) -> tuple[Any, ...]:
    """What leaves, or why it does not."""
    outgoing = Outgoing(KNOWN)
    if not at_once:
        outgoing.quiet = lambda raw: False  # type: ignore[method-assign]
    operation = SimpleNamespace(recheck=lambda answer: None)
    call = SimpleNamespace(meta={}, bytes_out=0)

    async def proceed(_: Any) -> Answer:
        return Answer(body, {})

    running = Egress(operation, outgoing, limit).around(proceed, call)  # type: ignore[arg-type]
    try:
        running.send(None)
    except StopIteration as ended:
        answer = ended.value
        assert answer.encoded == to_json(answer.body, inf_nan_mode="null")
        return repr(answer.body), answer.meta, answer.is_error, call.bytes_out
    except (HoldfastError, PydanticSerializationError) as error:  # the latter: a picture that is no base64 at all
        return type(error), error.args
    raise AssertionError("nothing here waits")


@settings(max_examples=400, deadline=None)
@given(bodies, st.sampled_from([100, 5_000, 1 << 20]))
def test_one_look_at_an_answer_lets_nothing_out_that_a_look_at_each_string_would_not(
    body: dict[str, Any], limit: int
) -> None:
    assert sent(body, limit, at_once=True) == sent(body, limit, at_once=False)


@pytest.mark.parametrize("secret", [SECRET, 'a "quoted" \\ one', HIDDEN, "\x85", "\x7f"])
@pytest.mark.parametrize("wrapped", [True, False])
def test_what_is_hidden_in_a_large_structure_that_is_sent_twice_is_found_in_both(secret: str, wrapped: bool) -> None:
    for structure in ({"a": [LINES, {"b": secret}]}, {"a": LINES, secret: 1}):
        body = shown_twice(structure, wrapped)
        left = sent(body, 1 << 20, at_once=True)
        assert secret not in left[0]
        assert left[1] == {f"{META}altered": True}


def test_a_text_that_only_looks_like_the_structure_is_looked_at_too() -> None:
    inner = {"b": LINES}
    body = {
        "content": [{"type": "text", "text": to_json(inner).decode() + "}"}],
        "structuredContent": {"other": SECRET, "structuredContent": inner},
    }
    assert SECRET not in sent(body, 1 << 20, at_once=True)[0]
    twice = shown_twice({"a": LINES}, wrapped=False)
    twice["content"][0]["text"] += f" {SECRET}"
    assert SECRET not in sent(twice, 1 << 20, at_once=True)[0]


async def test_what_leaves_is_written_once_and_a_question_is_left_to_the_wire(server: Server) -> None:
    @server.tool
    async def plain() -> int:
        return 5

    @server.tool
    async def question(ctx: Context) -> str:
        from pydantic import BaseModel

        class Name(BaseModel):
            name: str

        return str(await ctx.elicit("Who?", Name))

    async with living(server) as live:
        answer = await ask(live, "plain")
        asked = await ask(live, "question", client=Client("elicitation"))
    assert answer.encoded == b'{"content":[{"type":"text","text":"5"}],"structuredContent":{"result":5}}'
    assert asked.input_required
    assert asked.encoded is None, "its state is sealed before it leaves"


@pytest.mark.parametrize(
    "extra",
    [
        lambda body: body["content"].append({"type": "text", "text": SECRET}),
        lambda body: body["content"][0].update(annotations={"note": SECRET}),
        lambda body: body.update(more=SECRET),
    ],
    ids=["a second block", "an annotation", "another key"],
)
def test_what_stands_beside_a_large_structure_that_is_sent_twice_is_looked_at_too(extra: Any) -> None:
    body = shown_twice({"a": LINES}, wrapped=False)
    extra(body)
    left = sent(body, 1 << 20, at_once=True)
    assert SECRET not in left[0]
    assert left[1] == {f"{META}altered": True}


@pytest.mark.parametrize(
    "body",
    [
        {"content": [], "structuredContent": {"a": 1}},
        {"content": [{"type": "resource_link", "uri": "a://b", "name": "b"}], "structuredContent": {"a": 1}},
        {"structuredContent": {"a": 1}},
        {"content": ["of an author's own making"]},
    ],
    ids=["no block", "no text", "no content", "no mapping"],
)
def test_what_an_author_presents_need_not_look_as_the_usual_answer_does(body: dict[str, Any]) -> None:
    assert sent(body, 1 << 20, at_once=True)[0] == repr(body)


def test_an_answer_of_as_many_bytes_as_may_leave_leaves_and_of_one_more_is_cut() -> None:
    body = {"content": [{"type": "text", "text": "x" * 1_000}]}
    whole = len(to_json(body))
    assert sent(body, whole, at_once=True) == (repr(body), {}, False, whole)
    assert sent(body, whole - 1, at_once=True)[1] == {f"{META}truncated": True}


def test_what_is_cut_may_be_as_long_as_the_limit() -> None:
    texts = ["\n" * lines + "x" * 2_000 for lines in range(200)]  # each line end is a byte more in JSON
    sizes = [sent({"content": [{"type": "text", "text": each}]}, 1_500, at_once=True)[3] for each in texts]
    assert max(sizes) == 1_500


def test_where_the_room_ends_with_a_block_no_empty_one_follows() -> None:
    first = "a" * (2_000 - 2 * ROOM)  # what is kept for each block, and in all
    body = {"content": [{"type": "text", "text": text} for text in (first, "b" * 1_000)]}
    left = sent(body, 2_000, at_once=True)
    assert left[0] == repr({"content": [{"type": "text", "text": first}]})
