"""The context: what a running tool knows and can do, over a client's session that is played here."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from holdfast.core.context import Context, ContextServices, InputRequired, current_context
from holdfast.core.questions import Elicited, form_request, roots_request
from holdfast.errors import ConfigurationError, InvalidArguments, MissingCapability
from holdfast.safe.paths import Root
from holdfast.safe.sandbox import Sandbox
from holdfast.safe.sql import Database
from holdfast.testing import FakeClock, Workspace, principal

SECRET = "canarysecret"


class Played:
    """A client's session that notes what it was asked and answers from a list."""

    era = "handshake"

    def __init__(self, *answers: Mapping[str, Any], offered: tuple[str, ...] = ("elicitation",)) -> None:
        self.answers = list(answers)
        self.offered = offered
        self.asked: list[Mapping[str, Any]] = []
        self.told: list[Any] = []

    def offers(self, capability: str) -> bool:
        return capability in self.offered

    async def ask(self, requests: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
        self.asked.append(requests)
        return dict.fromkeys(requests, self.answers.pop(0))

    async def progress(self, done: float, total: float | None, message: str | None) -> None:
        self.told.append((done, total, message))

    async def log(self, level: str, data: Any, logger: str | None) -> None:
        self.told.append((level, data, logger))

    async def close_stream(self) -> None:
        self.told.append("closed")


class Log:
    """A logger whose bound form is what it was bound to."""

    def bind(self, **fields: str) -> dict[str, str]:
        return fields


class Told:
    """A publisher that notes what changed."""

    def __init__(self) -> None:
        self.news: list[str] = []

    async def changed(self, kind: str) -> None:
        self.news.append(kind)

    async def updated(self, uri: str) -> None:
        self.news.append(uri)


def cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace(SECRET, "[redacted]")
    if isinstance(value, Mapping):
        return {key: cleaned(item) for key, item in value.items()}
    return value


def context(session: Played | None = None, **services: Any) -> Context:
    given: dict[str, Any] = {
        "clock": FakeClock(start=100.0),
        "loop": asyncio.get_running_loop(),
        "log": Log(),
        "state": {"pool": 1},
        "publisher": Told(),
        "secret": lambda value, name: None,
        "clean": cleaned,
        "sandbox": Sandbox(),
    }
    lent = ContextServices(**given | services)
    return Context("r-1", "greet", principal("ada"), lent, session or Played())  # type: ignore[arg-type]


class Answer(BaseModel):
    """A form."""

    name: str
    sure: bool = False


ACCEPT = {"action": "accept", "content": {"name": "Ada"}}


async def test_a_call_knows_who_it_is_and_for_whom() -> None:
    ctx = context()
    assert (ctx.request_id, ctx.tool, ctx.principal.name, ctx.log, ctx.state) == (
        "r-1", "greet", "ada", {"request_id": "r-1", "tool": "greet"}, {"pool": 1},
    )  # fmt: skip
    assert ctx.era == "handshake"


async def test_the_remaining_seconds_shrink_to_nothing_and_never_below() -> None:
    clock = FakeClock(start=100.0)
    ctx = context(clock=clock)
    assert ctx.remaining == float("inf")
    ctx.deadline = 110.0
    assert ctx.remaining == 10.0
    await clock.advance(20)
    assert ctx.remaining == 0.0


async def test_the_workspace_and_the_database_are_what_the_server_has(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    workspace.table("pet", "name TEXT")
    docs = Root(workspace.path, name="docs")
    sandbox = Sandbox(Root(workspace.path), database=Database(str(workspace.database)), roots={"docs": docs})
    ctx = context(sandbox=sandbox)
    assert ctx.workspace is sandbox.workspace
    assert ctx.root("docs") is docs
    with pytest.raises(ConfigurationError, match="HOLDFAST_ROOTS"):
        ctx.root("other")
    assert ctx.database is sandbox.database
    sandbox.close()


async def test_without_them_the_missing_setting_is_named() -> None:
    ctx = context()
    with pytest.raises(ConfigurationError, match="HOLDFAST_WORKSPACE"):
        _ = ctx.workspace
    with pytest.raises(ConfigurationError, match="HOLDFAST_DATABASE"):
        _ = ctx.database


# -- questions -------------------------------------------------------------------------------------------------------


async def test_an_answered_form_is_typed() -> None:
    session = Played(ACCEPT)
    assert await context(session).elicit("Your name?", Answer) == Elicited("accept", Answer(name="Ada"))
    assert list(session.asked[0]) == ["q1"]
    assert session.asked[0]["q1"]["params"]["message"] == "Your name?"


async def test_an_answer_that_does_not_fit_is_refused_without_repeating_it() -> None:
    with pytest.raises(InvalidArguments) as refused:
        await context(Played({"action": "accept", "content": {"name": [SECRET]}})).elicit("?", Answer)
    assert SECRET not in refused.value.message


async def test_questions_are_numbered_in_their_order_unless_they_have_a_key() -> None:
    session = Played(ACCEPT, ACCEPT, ACCEPT)
    ctx = context(session)
    await ctx.elicit("?", Answer)
    await ctx.elicit("?", Answer, key="mine")
    await ctx.elicit("?", Answer)
    assert [next(iter(requests)) for requests in session.asked] == ["q1", "mine", "q3"]


async def test_a_call_that_is_tried_again_asks_under_the_same_numbers() -> None:
    session = Played(ACCEPT, ACCEPT)
    ctx = context(session)
    await ctx.elicit("?", Answer)
    ctx.restart()
    await ctx.elicit("?", Answer)
    assert [next(iter(requests)) for requests in session.asked] == ["q1", "q1"]


@pytest.mark.parametrize(
    "answer, action",
    [
        ({"action": "accept"}, "accept"),
        ({"action": "decline"}, "decline"),
        ({"action": SECRET}, "cancel"),
        ({}, "cancel"),
    ],
)
async def test_a_user_who_is_sent_elsewhere_accepts_declines_or_cancels(answer: Any, action: str) -> None:
    session = Played(answer, offered=("elicitation.url",))
    assert await context(session).elicit_url("Pay", "https://pay.example", "e1") == Elicited(action)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "roots, told",
    [
        ([{"uri": "file:///a"}], [{"uri": "file:///a"}]),
        ([{"uri": "file:///a"}, 5, None], [{"uri": "file:///a"}]),
        ([], []),
        (None, []),
    ],
)
async def test_the_clients_folders_are_mappings_whatever_it_sends(roots: Any, told: Any) -> None:
    assert await context(Played({"roots": roots}, offered=("roots",))).roots() == told
    assert await context(Played({}, offered=("roots",))).roots() == []


async def test_the_clients_model_can_be_asked_to_write() -> None:
    session = Played({"role": "assistant", "content": {"type": "text", "text": "Hi"}}, offered=("sampling",))
    written = await context(session).sample("Say hi", max_tokens=5, system="Be short")
    assert written["content"]["text"] == "Hi"
    assert session.asked[0]["q1"]["params"]["systemPrompt"] == "Be short"


async def test_nothing_that_is_asked_holds_a_secret() -> None:
    session = Played(ACCEPT)
    await context(session).elicit(f"Is {SECRET} right?", Answer)
    assert SECRET not in str(session.asked)


@pytest.mark.parametrize(
    "ask, required",
    [
        (lambda ctx: ctx.elicit("?", Answer), {"elicitation": {}}),
        (lambda ctx: ctx.elicit_url("?", "https://a.example", "e"), {"elicitation": {"url": {}}}),
        (lambda ctx: ctx.sample("?", max_tokens=1), {"sampling": {}}),
        (lambda ctx: ctx.roots(), {"roots": {}}),
        (lambda ctx: ctx.ask(a=form_request("?", Answer), b=roots_request()), {"elicitation": {}}),
    ],
)
async def test_a_client_that_cannot_answer_is_not_asked(ask: Any, required: dict[str, Any]) -> None:
    session = Played(offered=())
    with pytest.raises(MissingCapability) as refused:
        await ask(context(session))
    assert refused.value.data == {"requiredCapabilities": required}
    assert session.asked == []


async def test_what_the_client_offers_can_be_looked_up() -> None:
    ctx = context()
    assert ctx.offers("elicitation")
    assert not ctx.offers("sampling")
    ctx.require("elicitation")


async def test_a_call_whose_answer_is_shared_may_not_ask_its_user() -> None:
    ctx = context(Played(ACCEPT))
    ctx.may_ask = False
    with pytest.raises(ConfigurationError, match="greet is cacheable, so it cannot ask"):
        await ctx.elicit("?", Answer)


def test_a_question_of_the_modern_era_is_no_exception_that_a_tool_could_swallow() -> None:
    question = InputRequired({"q1": {}}, {"s": 1})
    assert not isinstance(question, Exception)
    assert (question.requests, question.state) == ({"q1": {}}, {"s": 1})


# -- telling ---------------------------------------------------------------------------------------------------------


async def test_progress_and_log_messages_are_cleaned() -> None:
    session = Played()
    ctx = context(session)
    await ctx.report_progress(1, 2, f"at {SECRET}")
    await ctx.report_progress(2)
    await ctx.notify_log("info", {"token": SECRET}, "mine")
    await ctx.close_stream()
    assert session.told == [
        (1, 2, "at [redacted]"), (2, None, None), ("info", {"token": "[redacted]"}, "mine"), "closed",
    ]  # fmt: skip


async def test_clients_are_told_what_changed() -> None:
    publisher = Told()
    ctx = context(publisher=publisher)
    await ctx.tools_changed()
    await ctx.prompts_changed()
    await ctx.resources_changed()
    await ctx.resource_updated("note://a")
    assert publisher.news == ["tools", "prompts", "resources", "note://a"]


async def test_a_secret_that_a_call_learns_is_registered_and_handed_back() -> None:
    known: dict[str, str] = {}
    ctx = context(secret=lambda value, name: known.update({name: value}))
    assert ctx.secret(SECRET, "key") == SECRET
    assert known == {"key": SECRET}


# -- from a thread ---------------------------------------------------------------------------------------------------


async def test_a_plain_function_in_its_thread_can_wait_for_the_loop() -> None:
    ctx = context(Played(ACCEPT))
    answer = await asyncio.to_thread(lambda: ctx.wait(ctx.elicit("?", Answer)))
    assert answer.data == Answer(name="Ada")


async def test_what_goes_wrong_meanwhile_reaches_the_thread() -> None:
    ctx = context(Played(offered=()))
    with pytest.raises(MissingCapability):
        await asyncio.to_thread(lambda: ctx.wait(ctx.elicit("?", Answer)))


async def test_waiting_on_the_loop_itself_is_refused_in_place_of_hanging_for_ever() -> None:
    ctx = context()
    with pytest.raises(ConfigurationError, match="await instead"):
        ctx.wait(ctx.report_progress(1))


async def test_only_a_coroutine_can_be_waited_for() -> None:
    ctx = context()
    with pytest.raises(ConfigurationError, match="takes a coroutine"):
        await asyncio.to_thread(ctx.wait, 5)  # type: ignore[arg-type]


async def test_calls_do_not_see_each_others_context() -> None:
    assert current_context.get() is None
    one = context()

    async def call() -> Context | None:
        current_context.set(one)
        return current_context.get()

    assert await asyncio.create_task(call()) is one
    assert current_context.get() is None
