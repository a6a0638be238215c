"""Answers as bytes: which are plain enough, what is put around them, and what JSON cannot hold."""

from __future__ import annotations

import json
from typing import Any

import pytest
from mcp_types.methods import serialize_server_result

from holdfast.core.pipeline import Answer
from holdfast.wire import results

TEXT = {"type": "text", "text": "ü"}
IMAGE = {"type": "image", "data": "eA==", "mimeType": "image/png"}
STAMP = b'"io.modelcontextprotocol/serverInfo":{"name":"x"}'


@pytest.mark.parametrize(
    "body",
    [{"content": []}, {"content": [TEXT]}, {"content": [TEXT, IMAGE, IMAGE | {"type": "audio"}]},
     {"content": [TEXT], "structuredContent": {"a": None}}],
)  # fmt: skip
def test_an_answer_of_known_blocks_is_plain_and_is_what_the_sdk_would_let_pass(body: dict[str, Any]) -> None:
    assert results.plain(Answer(body))
    for version in ("2024-11-05", "2025-11-25", "2026-07-28"):
        told = body | ({"resultType": "complete"} if version == "2026-07-28" else {})
        passed = serialize_server_result("tools/call", version, told)
        assert {key: passed[key] for key in body} == body


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"content": None},
        {"content": "text"},
        {"content": {"type": "text"}},
        {"content": 5},
        {"content": [None]},
        {"content": ["text"]},
        {"content": [{"type": "text", "text": 5}]},
        {"content": [{"type": "text", "text": None}]},
        {"content": [{"type": ["text"], "text": "x"}]},
        {"content": [{"type": "text"}]},
        {"content": [{}]},
        {"content": [TEXT | {"annotations": {}}]},
        {"content": [IMAGE | {"data": 5}]},
        {"content": [IMAGE | {"type": "x"}]},
        {"content": [IMAGE | {"mimeType": None}]},
        {"content": [IMAGE | {"_meta": {}}]},
        {"content": [{"type": "resource_link", "uri": "a:b", "name": "n"}]},
        {"content": [TEXT], "structuredContent": [1]},
        {"content": [TEXT], "structuredContent": None},
        {"content": [TEXT], "isError": True},
        {"contents": []},
    ],
)
def test_an_odd_answer_is_not_plain_and_breaks_nothing(body: dict[str, Any]) -> None:
    assert not results.plain(Answer(body))


def test_neither_is_a_question_nor_an_answer_whose_meta_is_none() -> None:
    assert not results.plain(Answer({"content": []}, input_required=True))
    assert not results.plain(Answer({"content": []}, meta=5))  # type: ignore[arg-type]


@pytest.mark.parametrize("meta", [{}, {"a": 1}])
@pytest.mark.parametrize("is_error", [False, True])
def test_the_result_of_each_era_holds_what_the_sdks_would(meta: dict[str, Any], is_error: bool) -> None:
    answer = Answer({"content": [TEXT]}, meta, is_error)
    more: dict[str, Any] = {"isError": True} if is_error else {}
    assert json.loads(results.result(answer, None)) == {"content": [TEXT], **more} | ({"_meta": meta} if meta else {})
    stamped = {"_meta": {**meta, "io.modelcontextprotocol/serverInfo": {"name": "x"}}, "resultType": "complete"}
    assert json.loads(results.result(answer, STAMP)) == {"content": [TEXT], **more, **stamped}


def test_a_stamp_of_the_authors_own_is_kept() -> None:
    answer = Answer({"content": []}, {"io.modelcontextprotocol/serverInfo": "mine"})
    assert json.loads(results.result(answer, STAMP))["_meta"] == answer.meta


def test_what_egress_has_encoded_is_not_encoded_again() -> None:
    answer = Answer({"content": []}, encoded=b'{"content":["as it stands"]}')
    assert results.result(answer, None) == b'{"content":["as it stands"]}'


@pytest.mark.parametrize("number", [0, -5, 10**30])
@pytest.mark.parametrize("text", ["", "a", 'quo"te', "ü\u2028\n", "x" * 512])
def test_ids_go_back_as_they_came(number: int, text: str) -> None:
    for request_id in (number, text):
        raw = results.response(request_id, b"{}")
        assert json.loads(raw) == {"jsonrpc": "2.0", "id": request_id, "result": {}}
        assert b"\n" not in raw


def test_an_error_knows_its_code_and_has_data_only_when_there_is_any() -> None:
    failed = results.failure(1, -32602, "no", None)
    assert (json.loads(failed)["error"], failed.code) == ({"code": -32602, "message": "no"}, -32602)
    assert json.loads(results.failure(None, 1, "x", {"a": 1})) == {
        "jsonrpc": "2.0", "id": None, "error": {"code": 1, "message": "x", "data": {"a": 1}},
    }  # fmt: skip


def test_a_notification_has_parameters_or_none() -> None:
    assert json.loads(results.notification("a/b", None)) == {"jsonrpc": "2.0", "method": "a/b"}
    assert json.loads(results.notification("a/b", {"x": 1}))["params"] == {"x": 1}


def test_what_json_cannot_hold_becomes_something_that_it_can() -> None:
    assert results.encode({"a": float("nan")}) == b'{"a":null}'
    assert json.loads(results.encode("caf\udce9")) == "caf\ufffd"
