"""What is read from an answer, whatever it is."""

from __future__ import annotations

from typing import Any

import pytest

from holdfast_attack.link.reply import Reply


def refused(text: str, **more: Any) -> Reply:
    return Reply({"result": {"isError": True, "content": [{"type": "text", "text": text}], **more}})


def test_nothing_is_silence_and_no_failure() -> None:
    assert Reply(None).silent
    assert not Reply(None).failed
    assert not Reply(None, status=202).silent


@pytest.mark.parametrize(
    "message",
    [
        {"error": {"code": -32602, "message": "no"}},
        {"result": {"isError": True, "content": []}},
    ],
)
def test_errors_of_both_kinds_are_failures(message: dict[str, Any]) -> None:
    assert Reply(message).failed
    assert not Reply({"result": {"content": []}}).failed
    assert Reply(None, status=403).failed


@pytest.mark.parametrize(
    "odd", [{"error": 7}, {"result": []}, {"result": {"content": 5}}, {"result": {"content": [1]}}]
)
def test_what_is_no_answer_at_all_is_read_without_falling_over(odd: dict[str, Any]) -> None:
    reply = Reply(odd)
    assert reply.text == ""
    assert reply.code is None
    assert not reply.limited


def test_the_text_is_all_that_a_model_would_read() -> None:
    content = [{"type": "text", "text": "one"}, {"type": "resource", "resource": {"text": "two"}}]
    reply = Reply({"result": {"content": content, "structuredContent": {"three": 3}}})
    assert all(word in reply.text for word in ("one", "two", "three"))
    assert "why" in Reply({"error": {"code": 1, "message": "no", "data": {"why": 2}}}).text


@pytest.mark.parametrize(
    "reply, seconds",
    [
        (refused("rate.limited", _meta={"io.holdfast/code": "rate.limited", "io.holdfast/retryAfter": 3.5}), 3.5),
        (Reply({"error": {"code": -32000, "message": "slow down", "data": {"retryAfter": 2}}}), 2.0),
        (Reply(None, status=429, headers={"retry-after": "7"}), 7.0),
        (Reply(None, status=429), None),
        (refused("Rate limit exceeded, retry after 4 seconds"), 4.0),
        (refused("Too many requests"), None),
        (refused("no place is free", _meta={"io.holdfast/code": "bulkhead.full"}), None),
    ],
)
def test_a_refusal_by_a_limit_is_told_from_others(reply: Reply, seconds: float | None) -> None:
    assert reply.limited
    assert reply.retry_after == seconds


def test_a_result_that_talks_of_limits_is_none() -> None:
    assert not Reply({"result": {"content": [{"type": "text", "text": "rate limit: 5"}]}}).limited
    assert not refused("count takes an integer from 1 to 100").limited
