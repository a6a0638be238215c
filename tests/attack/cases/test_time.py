"""Cases of time: who has to wait for a slow call, when a slow call ends, and what keeps a server busy."""

from __future__ import annotations

import asyncio
import math
import time
from pathlib import Path
from typing import Any

import pytest
from attack.cases.steady import LEGACY, NEW, SECONDS, TEXT, TOOLS, Field, Message, Server, Talk, Wood, play, text, tool

from holdfast_attack.cases.time import CASES, deadlines, neighbours, regex, slow, texts
from holdfast_attack.cases.time.slow import sleepers, slow_calls, unit_of
from holdfast_attack.link.http import HttpSession
from holdfast_attack.link.reply import Reply
from holdfast_attack.model import Found, FoundSeveral, Inconclusive, Kind, Lane, NotApplicable, Transport
from holdfast_attack.target.address import Address
from holdfast_attack.tools import Toolbox

SQL = tool("query", sql=TEXT)


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundredth of the time: the server here answers at once."""
    for module, name, seconds in (
        (slow, "ANSWERING", 0.01),
        (neighbours, "LEAST", 0.05),
        (neighbours, "SOON", 0.05),
        (neighbours, "JUDGED", 0.02),
        (neighbours, "LASTING", 0.4),
        (neighbours, "GRACE", 0.1),
        (deadlines, "ANSWERING", 0.01),
        (deadlines, "CANCELLED", 0.1),
        (deadlines, "STOPPING", 0.05),
        (deadlines, "LOOKING", 0.01),
        (deadlines, "GRACE", 0.1),
        (regex, "WITHIN", 0.05),
        (slow, "STOPPING", 0.01),
        (slow, "LEAST", 0.05),
        (texts, "WITHIN", 0.05),
        (regex, "LONGEST", 0.03),
    ):
        monkeypatch.setattr(module, name, seconds)


class Blocking(Server):
    """Sleeps in the loop; everybody waits."""

    def __init__(self) -> None:
        super().__init__()
        self.turn = asyncio.Lock()

    async def answer(self, message: Message) -> Message | None:
        async with self.turn:
            return await super().answer(message)


class Pool(Server):
    """All calls of tools share a few places."""

    def __init__(self) -> None:
        super().__init__()
        self.places = asyncio.Semaphore(8)

    async def call(self, name: str, given: Message) -> Message | None:
        async with self.places:
            return await super().call(name, given)


class Refusing(Server):
    """Takes two slow calls at once."""

    busy = 0

    async def call(self, name: str, given: Message) -> Message | None:
        if name == "wait" and self.busy >= 2:
            return text("busy: too many calls, try again", failed=True)
        self.busy += name == "wait"
        try:
            return await super().call(name, given)
        finally:
            self.busy -= name == "wait"


class Hasty(Server):
    """Does not wait at all."""

    async def call(self, name: str, given: Message) -> Message | None:
        return text("done")


def test_every_case_of_the_class_says_where_it_belongs() -> None:
    assert {case.kind for case in CASES} == {Kind.TIME}
    assert len({case.id for case in CASES}) == len(CASES) == 8


async def test_a_sound_server_answers_others_while_one_call_takes_long() -> None:
    assert await play("time.neighbours", Server()) == 1


async def test_who_is_held_up_by_one_slow_call_is_told() -> None:
    with pytest.raises(FoundSeveral, match="one call of it runs, tools/list is not answered") as caught:
        await play("time.neighbours", Blocking())
    assert caught.value.findings[0].tool == "wait"
    assert b'"seconds":0.2' in caught.value.findings[0].sent


async def test_a_hitch_of_the_machine_is_no_finding() -> None:
    class Once(Server):
        hitches = 0

        async def answer(self, message: Message) -> Message | None:
            if message["method"] == "ping" and len(self.asked) >= 11 and not self.hitches:
                self.hitches += 1
                await asyncio.sleep(0.15)
            return await super().answer(message)

    server = Once()
    assert await play("time.neighbours", server) == 1
    assert server.hitches == 1


async def test_a_server_that_never_comes_back_is_asked_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stuck(Server):
        tools = (*TOOLS, tool("pause", seconds=SECONDS))
        stuck = False

        async def answer(self, message: Message) -> Message | None:
            self.stuck = self.stuck or message.get("params", {}).get("name") == "wait"
            if self.stuck:
                await asyncio.sleep(1.0 if message["method"] != "tools/list" else 5.0)
            return await super().answer(message)

    alive = Talk.alive
    monkeypatch.setattr(Talk, "alive", lambda session: alive(session, 0.05))
    with pytest.raises(FoundSeveral) as caught:
        await play("time.neighbours", Stuck())
    assert [one.tool for one in caught.value.findings] == ["wait"]


async def test_work_without_an_end_is_made_of_a_tool_that_takes_sql() -> None:
    class Database(Server):
        tools = (TOOLS[0], SQL)

        async def call(self, name: str, given: Message) -> Message | None:
            if "RECURSIVE" in given.get("sql", ""):
                await asyncio.sleep(0.3)
            return text("1")

    assert await play("time.neighbours", Database()) == 1


async def test_a_tool_that_does_not_take_its_time_is_no_slow_one() -> None:
    with pytest.raises(NotApplicable, match="no tool took as long"):
        await play("time.neighbours", Hasty())


async def test_without_a_tool_that_takes_long_nothing_is_tried() -> None:
    server = Server()
    server.tools = (TOOLS[0],)
    with pytest.raises(NotApplicable, match="none takes SQL"):
        await play("time.neighbours", server)
    with pytest.raises(NotApplicable, match="can be told to take"):
        await play("time.many-sleeping", server)


async def test_on_a_machine_that_is_too_busy_nobody_is_blamed() -> None:
    class Sluggish(Server):
        async def answer(self, message: Message) -> Message | None:
            await asyncio.sleep(0.04)
            return await super().answer(message)

    with pytest.raises(Inconclusive, match="before anything slow"):
        await play("time.neighbours", Sluggish())


async def test_when_the_time_is_over_no_further_tool_is_tried() -> None:
    with pytest.raises(NotApplicable):
        await play("time.neighbours", Server(), left=1.0)
    with pytest.raises(NotApplicable):
        await play("time.many-sleeping", Server(), left=1.0)
    with pytest.raises(NotApplicable):
        await play("time.cancelled", Server(), left=1.0)


@pytest.mark.parametrize("server", [Server, Refusing])
async def test_many_slow_calls_may_run_or_be_refused(server: type[Server]) -> None:
    assert await play("time.many-sleeping", server()) == 1


async def test_many_slow_calls_that_take_all_places_are_found() -> None:
    with pytest.raises(FoundSeveral, match="48 calls of it run, the tool 'echo' is not answered"):
        await play("time.many-sleeping", Pool())


async def test_a_cancelled_call_that_is_stopped_is_fine_whatever_is_said_of_it() -> None:
    class Stops(Server):
        async def call(self, name: str, given: Message) -> Message | None:
            await asyncio.sleep(0.03)
            return text("cancelled", failed=True) if name == "wait" else await super().call(name, given)

    assert await play("time.cancelled", Stops()) == 1


async def test_a_call_that_runs_on_after_it_was_cancelled_is_found() -> None:
    with pytest.raises(FoundSeveral, match="its result came after all"):
        await play("time.cancelled", Server())


async def test_a_call_that_is_over_before_it_is_cancelled_says_nothing() -> None:
    with pytest.raises(NotApplicable, match="took as long"):
        await play("time.cancelled", Hasty())


class Counting(Server):
    """A database that computes, and is told to stop."""

    tools = (TOOLS[0], SQL)

    async def call(self, name: str, given: Message) -> Message | None:
        if "RECURSIVE" in given.get("sql", ""):
            await asyncio.sleep(3600)
        return text("1")


async def test_an_endless_statement_that_stops_with_its_call_is_fine() -> None:
    server = Counting()
    assert await play("time.cancelled", server, tree=Wood(busyness=0.0)) == 1
    assert server.cancelled == {"cancel-query"}


async def test_an_endless_statement_that_goes_on_is_found() -> None:
    with pytest.raises(FoundSeveral, match="a processor is still busy"):
        await play("time.cancelled", Counting(), tree=Wood(busyness=0.9))


async def test_what_nobody_can_see_is_not_judged() -> None:
    with pytest.raises(NotApplicable):
        await play("time.cancelled", Counting(), tree=None)


class Posting(HttpSession):
    """Over HTTP, without a connection: what is posted is kept."""

    def __init__(self, lane: Lane, server: Server) -> None:
        super().__init__(Address("127.0.0.1", 1, "/mcp"), lane)
        self.posted: list[Message] = []
        self.talk = Talk(server, lane, None)

    async def post(self, body: Any, **_: Any) -> Reply:
        self.posted.append(body)
        return Reply(None, status=202)

    async def ask(self, method: str, params: Any = None, *, within: float = 5.0, id: Any = None) -> Reply:
        return await self.talk.ask(method, params, within=within, id=id)


async def test_over_http_a_call_is_cancelled_by_a_post_and_in_the_new_era_by_hanging_up() -> None:
    one = slow.Slow("wait", {"seconds": 0.1}, 0.1)
    old, new = (Posting(Lane(Transport.HTTP, lane.version), Server()) for lane in (LEGACY, NEW))
    assert "came after all" in (await deadlines._cancel(old, one) or "")
    assert [message["params"] for message in old.posted] == [{"requestId": "cancel-wait"}]
    assert await deadlines._cancel(new, one) is None
    assert new.posted == []


async def test_an_endless_statement_that_is_refused_was_never_at_work() -> None:
    class Wary(Server):
        tools = (TOOLS[0], SQL)

        async def call(self, name: str, given: Message) -> Message | None:
            return text("refused", failed=True)

    with pytest.raises(NotApplicable):
        await play("time.cancelled", Wary())


async def test_a_call_that_ends_by_a_deadline_passes_and_one_that_does_not_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(deadlines, "ENDING", 0.1)

    class Ends(Server):
        async def call(self, name: str, given: Message) -> Message | None:
            return await super().call(name, {**given, "seconds": min(0.01, given.get("seconds", 0))})

    assert await play("time.deadline", Ends(), call_deadline=0.1) == 1
    with pytest.raises(FoundSeveral, match="not ended within"):
        await play("time.deadline", Server(), call_deadline=0.1)


async def test_an_hour_is_never_spent_in_a_server_that_is_not_ours() -> None:
    for name in ("time.deadline", "time.regex"):
        with pytest.raises(NotApplicable, match="not started here"):
            await play(name, Server(), started=False)


async def test_a_promised_deadline_is_held_against_each_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadlines, "GIVEN", 0.02)
    monkeypatch.setattr(deadlines, "BEYOND", 0.1)

    class Prompt(Server):
        async def call(self, name: str, given: Message) -> Message | None:
            return await super().call(name, {**given, "seconds": min(0.02, given.get("seconds", 0))})

    assert await play("time.deadline-kept", Prompt(), call_deadline=0.02) == 1
    with pytest.raises(FoundSeveral, match=r"a call is ended after 0\.\d s"):
        await play("time.deadline-kept", Server(), call_deadline=0.02)


async def test_a_call_that_never_ends_does_not_keep_a_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadlines, "GIVEN", 0.02)
    monkeypatch.setattr(deadlines, "BEYOND", 0.1)

    class Never(Server):
        async def call(self, name: str, given: Message) -> Message | None:
            await asyncio.sleep(3600)
            return None

    with pytest.raises(FoundSeveral, match="is not ended at all"):
        await play("time.deadline-kept", Never(), call_deadline=0.02)


async def test_a_deadline_that_nobody_named_is_not_waited_for() -> None:
    with pytest.raises(NotApplicable, match="--call-deadline"):
        await play("time.deadline-kept", Server())


GREP = tool("match_lines", pattern=TEXT, file=TEXT)


class Searching(Server):
    """In linear time."""

    tools = (TOOLS[0], GREP)

    async def call(self, name: str, given: Message) -> Message | None:
        if "+)+" in given.get("pattern", ""):
            return await self.hard(given)
        return text("no match")

    async def hard(self, given: Message) -> Message | None:
        assert (Path(given["file"]).name, given["file"].split("/")[0]) == (regex.FILE, regex.FOLDER)
        return text("no match")


async def test_patterns_are_tried_on_a_planted_file_that_is_gone_afterwards(tmp_path: Path) -> None:
    server = Searching()
    assert await play("time.regex", server, workspace=tmp_path) == len(regex.EVIL)
    assert list(tmp_path.iterdir()) == []
    tried = [one["params"]["arguments"].get("pattern") for one in server.asked if one["method"] == "tools/call"]
    assert [pattern for pattern in tried if pattern] == list(regex.EVIL)


async def test_a_pattern_that_stops_everybody_is_found(tmp_path: Path) -> None:
    class Backtracks(Searching):
        stuck = False

        async def answer(self, message: Message) -> Message | None:
            if self.stuck:
                await asyncio.sleep(3600)
            return await super().answer(message)

        async def hard(self, given: Message) -> Message | None:
            self.stuck = True
            await asyncio.sleep(3600)
            return None

    with pytest.raises(FoundSeveral, match="keeps it busy, and tools/list is not answered"):
        await play("time.regex", Backtracks(), workspace=tmp_path)


@pytest.mark.parametrize("busy, found", [(0.9, True), (0.0, False)])
async def test_a_pattern_that_takes_long_must_end_with_its_caller(tmp_path: Path, busy: float, found: bool) -> None:
    class Aside(Searching):
        async def hard(self, given: Message) -> Message | None:
            await asyncio.sleep(3600)
            return None

    server, tree = Aside(), Wood(busyness=busy)
    if found:
        with pytest.raises(FoundSeveral, match="still busy with a pattern"):
            await play("time.regex", server, workspace=tmp_path, tree=tree)
    else:
        assert await play("time.regex", server, workspace=tmp_path, tree=tree) == len(regex.EVIL)


# -- texts -------------------------------------------------------------------------------------------------------------


class Reading(Server):
    """Takes any text; ``hard`` is what a pattern or a loop of its own would be long over."""

    tools = (TOOLS[0], tool("check_title", title={"type": "string", "maxLength": 100}))

    async def call(self, name: str, given: Message) -> Message | None:
        if given.get("title", "").startswith("aaa"):
            return await self.hard(given)
        return text("fine")

    async def hard(self, given: Message) -> Message | None:
        return text("fine")


async def test_texts_are_no_longer_than_the_schema_allows() -> None:
    server = Reading()
    assert await play("time.text", server) > 0
    tried = [one["params"]["arguments"].get("title", "") for one in server.asked if one["method"] == "tools/call"]
    assert max(map(len, tried)) == 100
    assert "a" * 64 + "!" in tried


async def test_a_text_that_stops_everybody_is_found() -> None:
    class Backtracks(Reading):
        stuck = False

        async def answer(self, message: Message) -> Message | None:
            if self.stuck:
                await asyncio.sleep(3600)
            return await super().answer(message)

        async def hard(self, given: Message) -> Message | None:
            self.stuck = True
            await asyncio.sleep(3600)
            return None

    with pytest.raises(FoundSeveral, match="a text keeps it busy, and tools/list is not answered"):
        await play("time.text", Backtracks())


async def test_without_time_for_any_text_nothing_is_said() -> None:
    with pytest.raises(Inconclusive, match="no time"):
        await play("time.text", Reading(), left=1.0)


class Paged(Server):
    """Three pages of prompts."""

    pages = 3

    async def other(self, method: str, params: Message) -> Message | None:
        if method != "prompts/list":
            return {"error": {"code": -32601, "message": "unknown method"}}
        number = int(params.get("cursor", "1"))
        return {"prompts": []} | ({"nextCursor": self.following(number)} if number < self.pages else {})

    def following(self, number: int) -> str:
        return str(number + 1)


async def test_lists_are_read_to_their_last_page() -> None:
    assert await play("time.hung-list", Paged()) == 6


async def test_pages_that_lead_back_are_found() -> None:
    class Round(Paged):
        pages = 10

        def following(self, number: int) -> str:
            return str(number % 3 + 1)

    with pytest.raises(Found, match="prompts/list: its pages go round in a circle"):
        await play("time.hung-list", Round())


class Long(Paged):
    """There is always one more."""

    pages = 10**9


async def test_pages_that_have_nothing_new_on_them_and_never_end_are_found() -> None:
    with pytest.raises(Found, match="50 pages in a row have nothing new"):
        await play("time.hung-list", Long())


async def test_a_list_that_is_only_long_is_not_read_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    class New(Long):
        async def other(self, method: str, params: Message) -> Message | None:
            page = await super().other(method, params) or {}
            return page | ({"prompts": [{"name": f"prompt-{params}"}, 7]} if "prompts" in page else {})

    monkeypatch.setattr(regex, "PAGES", 70)
    with pytest.raises(Inconclusive, match="more than 70 pages"):
        await play("time.hung-list", New())


async def test_a_list_that_does_not_come_is_asked_for_twice_and_then_found() -> None:
    class Hangs(Paged):
        times = 0

        async def other(self, method: str, params: Message) -> Message | None:
            self.times += method == "resources/list"
            return None if method == "resources/list" else await super().other(method, params)

    server = Hangs()
    with pytest.raises(Found, match="resources/list, page 1: no answer within"):
        await play("time.hung-list", server)
    assert server.times == 2


def parameter(name: str, **schema: object) -> Any:
    return Toolbox.parse([tool("wait", **{name: schema})]).tools[0].parameters[0]


@pytest.mark.parametrize(
    "name, description, unit",
    [
        ("seconds", "", 1.0),
        ("duration", "How long to run.", 1.0),
        ("delay_ms", "", 0.001),
        ("timeoutMs", "", 0.001),
        ("delay", "Time to wait, in milliseconds.", 0.001),
        ("wait_minutes", "", 60.0),
        ("hours", "", 3600.0),
        ("duration", "min. 1", 1.0),
        ("duration", 7, 1.0),
    ],
)
def test_the_unit_of_a_duration_is_told_from_its_name_and_description(
    name: str, description: object, unit: float
) -> None:
    assert unit_of(parameter(name, type="number", description=description)) == unit


def calls(schema: Message, seconds: float, name: str = "seconds", **more: Any) -> list[tuple[Any, float]]:
    server = Server()
    server.tools = (tool("wait", **{name: schema}),)
    found = sleepers(Field(server, **more), seconds, 9)  # type: ignore[arg-type]
    return [(one.arguments[name], one.seconds) for one in found]


def test_a_duration_is_written_as_the_schema_wants_it() -> None:
    assert calls({"type": "number"}, 2.5) == [(2.5, 2.5)]
    assert calls({"type": "integer"}, 2.5) == [(3, 3.0)]
    assert calls({"type": "integer"}, 2.5, "delay_ms") == [(2500, 2.5)]
    assert calls({"type": "number", "maximum": 3}, 2.5) == [(2.5, 2.5)]


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "number", "maximum": 2},
        {"type": "number", "exclusiveMaximum": 2.0},
        {"anyOf": [{"type": "number", "maximum": 2}, {"type": "null"}]},
        {"type": "number", "multipleOf": 0.7},
    ],
)
def test_a_tool_that_may_not_take_so_long_is_left_alone(schema: Message) -> None:
    with pytest.raises(NotApplicable, match=r"take 2\.5 seconds"):
        calls(schema, 2.5)


def test_a_bound_that_is_no_number_bounds_nothing() -> None:
    assert calls({"type": "number", "maximum": 10, "anyOf": "x"}, 2.5) == [(2.5, 2.5)]


def test_a_tool_whose_honest_call_fails_is_no_slow_one() -> None:
    with pytest.raises(NotApplicable):
        calls({"type": "number"}, 2.5, worked=False)


def test_of_several_tools_as_many_are_taken_as_are_wanted() -> None:
    server = Server()
    server.tools = (*(tool(f"wait-{number}", seconds=SECONDS) for number in range(5)), SQL)
    field: Any = Field(server)
    assert [one.tool for one in slow_calls(field, 1.0, 2)] == ["wait-0", "wait-1"]
    assert slow_calls(field, 1.0, 9)[-1].seconds == math.inf


def test_a_neighbour_is_a_quick_tool_other_than_the_slow_one() -> None:
    names = [ask.name for ask in slow.neighbours(Field(Server()), "echo")]  # type: ignore[arg-type]
    assert names == ["tools/list", "ping", "the tool 'read_file'"]
    modern = slow.neighbours(Field(Server(), lane=NEW, slowness=2.0))  # type: ignore[arg-type]
    assert [ask.name for ask in modern] == ["tools/list"]


async def test_patience_is_what_is_usual_twenty_times_but_bounded() -> None:
    class Timed(Talk):
        took = 0.0

        async def ask(self, *_: Any, **__: Any) -> Reply:
            return Reply({"id": 1, "result": {}}, seconds=self.took)

    session = Timed(Server(), LEGACY, None)
    asks = slow.neighbours(Field(Server()))  # type: ignore[arg-type]
    for session.took, allowed in ((0.001, 1.0), (0.07, 1.4), (0.3, 2.0)):
        assert await slow.patience(session, asks, 1.0) == pytest.approx(allowed)


async def test_slow_calls_are_let_go_when_nobody_looks_at_them_any_more() -> None:
    session = Talk(Server(), LEGACY, None)
    begun = time.monotonic()
    one = slow.Slow("wait", {"seconds": 60}, 60.0)
    async with slow.under_way(session, [one] * 5, 100.0) as tasks:
        assert slow.was_slow(tasks)
    assert time.monotonic() - begun < 5
    assert len(asyncio.all_tasks()) == 1
