"""How a line is made: both ways make the same bytes, and the bytes are those that a reader makes."""

from __future__ import annotations

import hashlib
import json
import sys
from json.encoder import encode_basestring_ascii as quoted
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.observe import chain
from holdfast.observe.chain import GENESIS, RESERVED, Head, link, link_call, link_plain, read

NAMES = st.one_of(
    st.text(max_size=20), st.sampled_from([*RESERVED, "code", "hash_", "has", "hasha", "Hash", "incident", "tool"])
)
VALUES = st.one_of(
    st.text(max_size=50), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.booleans(), st.none()
)
TIME = "2026-11-20T00:00:00.000000Z"


def canonical(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


@given(st.dictionaries(NAMES, VALUES, max_size=8), st.integers(min_value=0, max_value=10**12))
def test_a_line_is_sorted_compact_json_with_the_hash_of_the_rest(fields: dict[str, Any], seq: int) -> None:
    after = Head(seq, "ab" * 32)
    line, head = link(after, TIME, fields)
    renamed = {f"{name}_" if name in RESERVED else name: value for name, value in fields.items()}
    expected = renamed | {"seq": seq + 1, "time": TIME, "prev": after.hash}
    digest = hashlib.sha256(canonical(expected)).hexdigest()
    assert line == canonical(expected | {"hash": digest}) + b"\n"
    assert head == Head(seq + 1, digest)
    assert read(line) == (head, after.hash)


@given(st.dictionaries(NAMES, VALUES, max_size=8))
def test_plain_fields_make_the_same_line_in_half_the_time(fields: dict[str, Any]) -> None:
    made = link_plain(GENESIS, TIME, fields)
    assert made is None or made == link(GENESIS, TIME, fields)


def test_the_record_of_a_call_is_plain() -> None:
    record = {"request_id": "ab-1", "tool": "t", "principal": "\u00e9", "outcome": "ok", "seconds": 1e-05, "code": "x"}
    assert link_plain(GENESIS, TIME, record) == link(GENESIS, TIME, record)


@given(
    st.integers(min_value=0, max_value=10**12),
    st.tuples(st.text(max_size=50), st.text(max_size=50), st.text(max_size=50)),
    st.sampled_from(["ok", "question", "error", "cancelled"]),
    st.floats(min_value=0, allow_infinity=False) | st.integers(min_value=0),
)
def test_the_line_of_a_call_is_the_same_without_a_record(
    seq: int, texts: tuple[str, str, str], outcome: str, seconds: float
) -> None:
    tool, request_id, principal = texts
    after = Head(seq, "ab" * 32)
    record = {"tool": tool, "request_id": request_id, "principal": principal, "outcome": outcome, "seconds": seconds}
    made = link_call(after, TIME, quoted(tool), request_id, principal, outcome, seconds)
    assert made == link(after, TIME, record)
    assert type(made[1]) is Head


def test_what_is_not_plain_is_left_to_the_other() -> None:
    for odd in ([1], {"a": 1}, float("inf"), 2**64, "x" * 2_000, b"x", type("Text", (str,), {})("x")):
        assert link_plain(GENESIS, TIME, {"name": odd}) is None
    for name in ("hash", "a b", "\u00e9", ""):
        assert link_plain(GENESIS, TIME, {name: 1}) is None


def test_the_hash_is_sha_256_whoever_makes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert chain.sha256(b"a line").hexdigest() == hashlib.sha256(b"a line").hexdigest()
    for name in ("_sha2", "_sha256"):
        monkeypatch.setitem(sys.modules, name, None)  # as in an interpreter without them
    assert chain._hasher() is hashlib.sha256
