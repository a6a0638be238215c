"""Each schema case passes a server that validates, and finds one that does not."""

from __future__ import annotations

import asyncio
import json
import random
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from attack.tools.listings import INTEGER, STRING, STRINGS, listed

from holdfast_attack.cases.schema import CASES
from holdfast_attack.cases.schema import valid as room
from holdfast_attack.cases.schema.answers import broken, taken
from holdfast_attack.cases.schema.outputs import MORE
from holdfast_attack.link.reply import Reply
from holdfast_attack.model import Finding, Found, Inconclusive, Lane, NotApplicable, Verdict
from holdfast_attack.model.case import Transport
from holdfast_attack.play import Plan, attack
from holdfast_attack.play.probe import Honest
from holdfast_attack.tools import Tool, Toolbox, World, conforms, honest
from holdfast_attack.tools.generated import Generated

CLOSED = {"additionalProperties": False}
OPTIONS = {
    "type": "object",
    "properties": {"deep": INTEGER, "kind": {"enum": ["a", "b"]}},
    "required": ["deep"],
    **CLOSED,
}
WHOLE = listed(
    "whole",
    {
        "text": {**STRING, "maxLength": 50},
        "n": {**INTEGER, "minimum": 1, "maximum": 9},
        "mode": {"enum": ["fast", "slow"]},
        "items": STRINGS,
        "options": OPTIONS,
    },
    "text",
    "n",
    **CLOSED,
)
PLAIN = listed("plain", {"text": STRING}, "text")
OUTPUT = {"type": "object", "properties": {"n": INTEGER}, "required": ["n"]}


def result(**more: Any) -> Reply:
    """A tool's result."""
    return reply(result={"content": [{"type": "text", "text": "done"}], **more})


def reply(status: int | None = None, **body: Any) -> Reply:
    """An answer."""
    message = {"jsonrpc": "2.0", "id": 1, **body}
    return Reply(message, json.dumps(message).encode(), status=status)


def refused(code: int = -32602, text: str = "invalid params") -> Reply:
    """A JSON-RPC error."""
    return reply(error={"code": code, "message": text})


SILENCE = Reply(None)
Answer = Callable[[Tool, Any], Reply | None]


def nothing(_tool: Tool, _arguments: Any) -> Reply | None:
    """No fault."""
    return None


@dataclass
class Rig:
    """A probe, and behind it a server that validates what it is sent, but for its fault."""

    entries: tuple[dict[str, Any], ...] = (WHOLE, PLAIN)
    fault: Answer = nothing
    full: bool = False
    allow_writes: bool = False
    works: bool = True
    left: float = 1_000.0
    version: str = "2025-11-25"
    seed: int = 0
    sent: list[tuple[str, Any]] = field(default_factory=list)
    call_deadline: float = 35.0

    def __post_init__(self) -> None:
        self.tools = Toolbox.parse(list(self.entries))
        self.arena = SimpleNamespace(world=World())
        self.random = random.Random(self.seed)
        self.lane = Lane(Transport.STDIO, self.version)
        self.honest = {}
        for tool in self.tools.callable(self.allow_writes):
            arguments = honest(tool, World())
            self.honest[tool.name] = Honest(
                arguments, self.answer(tool, arguments) if self.works else refused(0, "down")
            )

    def answer(self, tool: Tool, arguments: Any) -> Reply:
        odd = self.fault(tool, arguments)
        if odd is not None:
            return odd
        return result() if conforms(tool.schema, arguments) else refused()

    async def call(self, name: str, arguments: Any, *, within: float = 5.0) -> Reply:
        self.sent.append((name, arguments))
        tool = self.tools.get(name)
        assert tool is not None
        return self.answer(tool, arguments) if self.works else refused(0, "down")

    def play(self, name: str) -> int:
        (case,) = [case for case in CASES if case.id == f"schema.{name}"]
        return asyncio.run(case.play(self))  # type: ignore[arg-type]

    def finds(self, name: str) -> tuple[Finding, ...]:
        with pytest.raises(Found) as found:
            self.play(name)
        return found.value.findings


FAULTS = ["type", "missing", "extra", "bounds", "enum", "coercion", "null", "nested", "huge"]


@pytest.mark.parametrize("name", [*FAULTS, "shape", "valid"])
@pytest.mark.parametrize("full", [False, True])
def test_a_server_that_validates_passes(name: str, full: bool) -> None:
    assert Rig(full=full).play(name) > 0


@pytest.mark.parametrize("name", [*FAULTS, "shape"])
@pytest.mark.parametrize("seed", range(3))
def test_a_server_that_takes_everything_is_found(name: str, seed: int) -> None:
    findings = Rig(fault=lambda *_: result(), seed=seed).finds(name)
    assert 0 < len(findings) <= 10
    for finding in findings:
        assert finding.tool in ("whole", "plain")
        assert "answered with a result and no error" in finding.what
        assert b'"tools/call"' in finding.sent
        assert b"done" in finding.got


@pytest.mark.parametrize(
    "name, wrong",
    [
        ("type", lambda a: isinstance(a.get("n"), float) and a["n"] % 1),
        ("type", lambda a: isinstance(a.get("text"), list)),
        ("missing", lambda a: "text" not in a and "n" in a),
        ("extra", lambda a: "holdfast_attack_extra" in a),
        ("bounds", lambda a: a.get("n") == 0),
        ("bounds", lambda a: a.get("n") == 10),
        ("bounds", lambda a: len(str(a.get("text"))) == 51),
        ("enum", lambda a: a.get("mode") == "FAST"),
        ("coercion", lambda a: a.get("n") == "1"),
        ("coercion", lambda a: a.get("n") is True),
        ("null", lambda a: "mode" in a and a["mode"] is None),
        ("nested", lambda a: isinstance(a.get("options"), dict) and isinstance(a["options"].get("deep"), str)),
        ("nested", lambda a: isinstance(a.get("items"), list) and any(not isinstance(e, str) for e in a["items"])),
        ("huge", lambda a: isinstance(a.get("text"), str) and len(a["text"]) > 100_000),
    ],
)
def test_a_single_fault_is_found_by_the_case_that_is_meant_for_it(name: str, wrong: Callable[[Any], bool]) -> None:
    def fault(_tool: Tool, arguments: Any) -> Reply | None:
        return result() if isinstance(arguments, dict) and wrong(arguments) else None

    assert Rig((WHOLE,), fault).finds(name)


@pytest.mark.parametrize("name", [*FAULTS, "shape", "valid"])
@pytest.mark.parametrize(
    "answer, told",
    [
        (SILENCE, "no answer within"),
        (refused(-32603, "oops"), "-32603"),
        (reply(status=500), "HTTP status 500"),
        (reply(status=200), "neither a result nor an error"),
    ],
)
def test_what_no_arguments_may_cause_is_found_everywhere(name: str, answer: Reply, told: str) -> None:
    calls: list[Any] = []

    def fault(_tool: Tool, arguments: Any) -> Reply | None:
        calls.append(arguments)
        return answer if len(calls) > 2 else None  # not the honest calls at the beginning

    findings = Rig(fault=fault).finds(name)
    assert told in findings[0].what


def test_after_two_silences_nothing_more_is_tried() -> None:
    rig = Rig(fault=lambda _tool, arguments: None if conforms(WHOLE["inputSchema"], arguments) else SILENCE)
    assert len(rig.finds("type")) == 2
    assert len(rig.sent) == 2


def test_tool_errors_and_invalid_params_are_both_sound() -> None:
    for sound in (refused(), refused(-32602), refused(0, "application"), result(isError=True), reply(413, error={})):
        assert taken(sound, 5.0) is None
        assert broken(sound, 5.0) is None


def test_a_result_that_asks_for_input_is_no_acceptance() -> None:
    assert taken(result(resultType="input_required"), 5.0) is None
    assert taken(result(resultType="complete"), 5.0) is not None


def test_without_a_tool_or_anything_to_violate_nothing_is_passed() -> None:
    for name in ("type", "shape"):
        with pytest.raises(NotApplicable, match="lists no tool"):
            Rig(()).play(name)
    with pytest.raises(NotApplicable, match="no tool has a schema"):
        Rig((PLAIN,)).play("extra")
    with pytest.raises(NotApplicable, match="no tool has a schema"):
        Rig((listed("t", {"a": {"type": "nonsense"}}, "a"),)).play("type")


def test_a_tool_that_refuses_everything_proves_nothing() -> None:
    with pytest.raises(Inconclusive, match="the same refusal"):
        Rig(works=False).play("type")


def test_a_refusal_that_differs_from_that_of_the_honest_call_says_something() -> None:
    rig = Rig((PLAIN,), works=False)
    rig.works = True
    assert rig.play("type") > 0


def test_where_the_time_is_over_what_was_found_is_told() -> None:
    with pytest.raises(NotApplicable):
        Rig(left=5.0).play("type")


def test_a_quick_run_shares_its_calls_among_many_tools() -> None:
    many = tuple({**WHOLE, "name": f"t{n}"} for n in range(30))
    rig = Rig(many)
    assert rig.play("type") <= 24
    assert len({name for name, _ in rig.sent}) == 8
    assert Rig(many, full=True).play("type") > 300


def test_the_same_seed_sends_the_same() -> None:
    many = tuple({**WHOLE, "name": f"t{n}"} for n in range(20))
    rigs = [Rig(many, seed=seed) for seed in (4, 4, 5)]
    for rig in rigs:
        rig.play("coercion")
    assert rigs[0].sent == rigs[1].sent != rigs[2].sent


# -- tools that are not read-only --------------------------------------------------------------------------------------


def writing(name: str, **hints: bool) -> dict[str, Any]:
    """A tool that changes something, with a path and a flag."""
    entry = listed(name, {"path": STRING, "sure": {"type": "boolean"}}, "path", "sure", reads=False, **CLOSED)
    return {**entry, "annotations": {"readOnlyHint": False, **hints}}


@pytest.mark.parametrize("name", [*FAULTS, "shape"])
def test_what_is_not_read_only_gets_wrong_arguments_that_name_nothing_there_is(name: str) -> None:
    rig = Rig((writing("write_file"),), fault=lambda *_: refused())
    try:
        rig.play(name)
    except NotApplicable:
        return
    assert rig.sent
    assert "hello.txt" not in str(rig.sent)
    assert "spare.txt" not in str(rig.sent)
    assert not any(conforms(writing("w")["inputSchema"], arguments) for _, arguments in rig.sent)


@pytest.mark.parametrize("entry", [writing("delete_file"), writing("put", destructiveHint=True)])
def test_what_cannot_be_taken_back_gets_only_what_makes_no_sense(entry: dict[str, Any]) -> None:
    rig = Rig((entry,), fault=lambda *_: refused())
    for name in ("extra", "coercion", "null", "huge", "shape"):
        with pytest.raises(NotApplicable):
            rig.play(name)
    assert rig.play("missing") > 0
    assert rig.play("type") > 0
    assert all(isinstance(a.get("sure", False), bool) for _, a in rig.sent)


def test_where_writes_are_allowed_all_is_tried() -> None:
    assert Rig((writing("delete_file"),), allow_writes=True).play("coercion") > 0


def test_a_tool_that_needs_nothing_and_changes_something_is_left_alone() -> None:
    entry = {**listed("restart", {}, reads=False, **CLOSED)}
    with pytest.raises(NotApplicable):
        Rig((entry,)).play("extra")
    assert Rig((entry,), allow_writes=True).play("extra") > 0


# -- valid arguments ---------------------------------------------------------------------------------------------------


def test_valid_arguments_are_all_valid_and_errors_of_the_tool_are_sound() -> None:
    rig = Rig(full=True, fault=lambda _tool, a: None if a.get("text") == "hello" else result(isError=True))
    assert rig.play("valid") > 20
    for name, arguments in rig.sent:
        tool = rig.tools.get(name)
        assert tool is not None
        assert conforms(tool.schema, arguments) is True


def test_an_empty_text_that_breaks_a_tool_is_found() -> None:
    (finding,) = Rig((PLAIN,), fault=lambda _tool, a: refused(-32603) if a["text"] == "" else None).finds("valid")
    assert finding.what.startswith("valid arguments")


def test_valid_arguments_need_a_tool_that_may_be_called() -> None:
    with pytest.raises(NotApplicable, match="--allow-writes"):
        Rig((writing("write_file"),)).play("valid")


def test_a_tool_that_only_waits_for_an_address_is_left_alone() -> None:
    fetch = listed("fetch", {"url": STRING, "n": INTEGER}, "url")
    with pytest.raises(NotApplicable):
        Rig((fetch,), works=False).play("valid")
    rig = Rig((fetch,), full=True)
    assert rig.play("valid") > 0
    assert {arguments["url"] for _, arguments in rig.sent} == {World().url}


def made_up(monkeypatch: pytest.MonkeyPatch, *inputs: dict[str, Any], why: str = "") -> None:
    """Let hypothesis make up just this, for every tool."""

    async def generated_for(schemas: Any, *_: Any) -> Generated:
        return Generated(tuple(inputs for _ in schemas), why)

    monkeypatch.setattr(room, "generated_for", generated_for)


def test_what_is_made_up_is_sent_with_honest_values_where_it_would_reach_out(monkeypatch: pytest.MonkeyPatch) -> None:
    made_up(monkeypatch, {"url": "http://somebody.example/", "n": 7, "seconds": 9e9}, {"n": "x"}, {"url": "a", "n": 7})
    rig = Rig((listed("fetch", {"url": STRING, "n": INTEGER, "seconds": {"type": "number"}}, "url"),))
    assert rig.play("generated") == 1
    assert rig.sent == [("fetch", {"url": World().url, "n": 7})]


def test_what_is_made_up_leaves_paths_alone_where_something_is_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    made_up(monkeypatch, {"path": "/", "text": "made up"})
    rig = Rig((listed("write_file", {"path": STRING, "text": STRING}, "path", "text", reads=False),), allow_writes=True)
    rig.play("generated")
    assert rig.sent == [("write_file", {"path": World().new, "text": "made up"})]


def test_what_is_made_up_and_breaks_a_tool_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    made_up(monkeypatch, {"text": "made up"})
    rig = Rig((PLAIN,), fault=lambda _tool, a: refused(-32603) if a["text"] == "made up" else None)
    (finding,) = rig.finds("generated")
    assert b"made up" in finding.sent


def test_without_hypothesis_it_is_not_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    made_up(monkeypatch, why="it is not installed")
    with pytest.raises(NotApplicable, match="it is not installed"):
        Rig((PLAIN,)).play("generated")


# -- output and references ---------------------------------------------------------------------------------------------


def giving(content: Any, **more: Any) -> Rig:
    """A server whose tool promises a number."""
    entry = {**PLAIN, "outputSchema": OUTPUT}
    return Rig((entry,), fault=lambda *_: result(**({} if content is None else {"structuredContent": content})), **more)


def test_structured_results_that_fit_pass() -> None:
    assert giving({"n": 1}).play("output") == 1 + MORE[False]
    assert giving({"n": 1}, full=True).play("output") > 1 + MORE[False]


@pytest.mark.parametrize("content", [{"n": "1"}, {}, [], None])
def test_structured_results_that_do_not_fit_or_are_missing_are_found(content: Any) -> None:
    (finding,) = giving(content).finds("output")
    assert "structuredContent" in finding.what


def test_results_are_only_judged_where_there_are_some() -> None:
    for rig in (Rig((PLAIN,)), giving({"n": 1}, works=False), giving({"n": "1"}, version="2025-03-26")):
        with pytest.raises(NotApplicable):
            rig.play("output")
    with pytest.raises(NotApplicable):
        Rig(({**PLAIN, "outputSchema": {"type": "nonsense"}},)).play("output")


def test_a_full_run_judges_results_of_other_arguments_too() -> None:
    counting = {**listed("t", {"n": {**INTEGER, "maximum": 5}}, "n"), "outputSchema": OUTPUT}
    bad = Rig((counting,), fault=lambda _tool, a: result(structuredContent={"n": 1 if a["n"] == 1 else "x"}), full=True)
    assert bad.finds("output")


def test_errors_have_no_structure_to_judge() -> None:
    entry = {**listed("t", {"n": {**INTEGER, "maximum": 5}}, "n"), "outputSchema": OUTPUT}

    def fault(_tool: Tool, arguments: Any) -> Reply:
        return result(structuredContent={"n": 1}) if arguments["n"] == 1 else result(isError=True)

    assert Rig((entry,), fault, full=True).play("output") > 1


def test_schemas_that_point_elsewhere_are_found() -> None:
    assert Rig().play("remote-ref") == 2
    for key in ("inputSchema", "outputSchema"):
        entry = {**PLAIN, key: {"type": "object", "properties": {"a": {"$ref": "https://example.com/a.json"}}}}
        (finding,) = Rig((WHOLE, entry)).finds("remote-ref")
        assert finding.tool == "plain"
        assert "https://example.com/a.json" in finding.what


# -- real servers ------------------------------------------------------------------------------------------------------

SERVERS = Path(__file__).parents[3] / "benchmarks" / "servers"


def failed(server: str, *names: str) -> set[str]:
    """The cases that failed, in some era."""
    plan = Plan.of([sys.executable, str(SERVERS / server), "stdio"], only=names)
    report = asyncio.run(attack(plan, None, CASES))
    return {outcome.case.id for outcome in report.outcomes if outcome.verdict is Verdict.FAILED}


def test_the_bare_sdk_is_found_to_convert_and_not_to_validate() -> None:
    names = ("schema.type", "schema.coercion", "schema.missing")
    assert failed("sdk_mcpserver.py", *names) == {"schema.coercion"}
    assert failed("sdk_lowlevel.py", *names) == set(names)
