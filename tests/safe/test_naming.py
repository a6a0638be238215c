"""Secrets by the name they stand under, and across the texts of a list: gone; schemas and descriptions stay."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic_core import to_json

from holdfast.safe.naming import holds_secret
from holdfast.safe.outgoing import Outgoing
from holdfast.safe.secrets import SecretRegistry

OPAQUE = "q7Rt2mXw9Zk4"
GONE = "[redacted:named-secret]"


def outgoing(*values: str) -> Outgoing:
    registry = SecretRegistry()
    for value in values:
        registry.add(value, "own")
    return Outgoing(registry)


@pytest.mark.parametrize(
    "name, value",
    [
        ("password", "x9x9"), ("DB_PASSWORD", "letmein"), ("userPwd", "hunter2"), ("passphrase", "opensesame"),
        ("token", OPAQUE), ("api_key", OPAQUE), ("apiKey", OPAQUE), ("X-Api-Key", OPAQUE), ("Authorization", OPAQUE),
        ("authorization", "Bearer " + OPAQUE), ("client_secret", OPAQUE), ("refreshToken", OPAQUE), ("cookie", OPAQUE),
        ("Set-Cookie", "sid=" + OPAQUE), ("aws_secret_access_key", OPAQUE), ("credentials", OPAQUE), ("auth", OPAQUE),
        ("token", "ab12cd34"), ("auth", "Token ab12cd34"),
    ],
)  # fmt: skip
def test_a_value_under_such_a_name_is_gone(name: str, value: str) -> None:
    told: list[str] = []
    out = Outgoing(SecretRegistry(), on_redaction=told.append)
    assert out.tree({"a": [{name: value, "other": value}]}) == {"a": [{name: GONE, "other": value}]}
    assert told == ["named-secret"]
    assert not out.quiet(to_json({"a": [{name: value}]}))


@pytest.mark.parametrize(
    "name, value",
    [
        ("password", "string"), ("password", "${PASSWORD}"), ("password", "<your password>"), ("password", "***"),
        ("password", "The password of the account, at least eight characters."), ("token", "bearer"),
        ("token", "a token that the server gave 2 minutes ago"), ("next_page_token", OPAQUE), ("pageToken", OPAQUE),
        ("token_type", OPAQUE), ("secret", "none"), ("secretary", OPAQUE), ("tokens", OPAQUE), ("key", OPAQUE),
        ("author", OPAQUE), ("passwords_changed", OPAQUE), ("token", "identifier"), ("password", ""),
        ("api_key", "enc:gAAAAABm1234"), ("x" * 100 + "password", OPAQUE), ("password", GONE),
        ("token", "ab12cd3"), ("auth", "expires 3600"), ("token", "the new one is ab12cd34ef"), ("auth", "    "),
    ],
)  # fmt: skip
def test_placeholders_descriptions_and_other_names_stay(name: str, value: str) -> None:
    assert not holds_secret(name, value)
    tree = {name: value}
    assert outgoing().tree(tree) is tree


def test_a_schema_is_left_alone() -> None:
    schema = {
        "type": "object",
        "properties": {
            "password": {"type": "string", "description": "The password", "format": "password"},
            "token": {"type": "string", "default": None},
        },
        "required": ["password", "token"],
    }
    assert outgoing().tree(schema) is schema


def test_a_secret_across_the_texts_of_a_list_or_adjacent_blocks_is_gone() -> None:
    out = outgoing("canary-0123456789")
    assert out.tree(["a can", "ary-01234", "56789 b", "c"]) == ["a [redacted:own]", "", " b", "c"]
    assert out.tree(list("xcanary-0123456789y"))[0] == "x"
    assert "".join(out.tree(list("xcanary-0123456789y"))) == "x[redacted:own]y"
    blocks = [{"type": "text", "text": "my canary-"}, {"type": "text", "text": "0123456789!", "annotations": {}}]
    assert out.tree(blocks) == [
        {"type": "text", "text": "my [redacted:own]"},
        {"type": "text", "text": "!", "annotations": {}},
    ]
    twice = out.tree(["canary-", "0123456789canary-01", "23456789"])
    assert twice == ["[redacted:own]", "[redacted:own]", ""]


def test_a_list_without_such_a_secret_is_the_same_object() -> None:
    out = outgoing("canary-0123456789")
    for items in (["canary-", "x", "0123456789"], ["a", 1, "b"], [], ["canary"], [{"type": "text", "text": "canary-"}]):
        assert out.tree(items) is items


KNOWN = SecretRegistry()
KNOWN.add("canary-0123456789", "own")
PARTS = st.sampled_from(
    ["can", "ary-01234", "56789", "canary-", "0123456789", "x", "", "canary-0123456789", "q7Rt2mXw9Z"]
)
NAMES = st.sampled_from(["password", "token", "a", "Api-Key", "cookie", "type", "text", "next_token"])
TREES: Any = st.recursive(
    PARTS | st.none() | st.integers(),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(NAMES, inner, max_size=4)
        | st.lists(PARTS.map(lambda text: {"type": "text", "text": text}), max_size=4)
    ),
    max_leaves=14,
)


@settings(max_examples=250, deadline=None)
@given(TREES)
def test_what_is_quiet_is_not_altered_and_a_second_pass_changes_nothing(tree: Any) -> None:
    out = Outgoing(KNOWN)
    once = out.tree(tree)
    assert out.tree(once) == once
    if out.quiet(to_json(tree)):
        assert once is tree


def _both() -> list[Outgoing]:
    made = []
    for personal in (False, True):
        registry = SecretRegistry(personal=personal)
        registry.add("canary-0123456789", "own")
        registry.add("redacted", "odd")
        made.append(Outgoing(registry))
    return made


BOTH = _both()


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.sampled_from(["canary-0123456789", "redacted:own", "[redacted:", "own]", "password=", "4111 1111 1111 1111",
                         "ghp_" + "a1" * 18, " ", "\n", "\u200b", "a@b.example", "token: ", "https://u:p4@h",
                         "+49 30 1234567"])
        | st.text(max_size=4),
        max_size=8,
    ).map("".join)
)  # fmt: skip
def test_what_leaves_would_leave_again_as_it_is(text: str) -> None:
    for out in BOTH:
        once = out.text(text)
        assert out.text(once) == once


def test_names_and_values_are_judged_up_to_their_longest() -> None:
    for name, value, yes in (
        ("x" * 56 + "password", "hunter2", True),
        ("x" * 57 + "password", "hunter2", False),
        ("password", "aB" * 8_192, True),
        ("password", "aB" * 8_192 + "a", False),
    ):
        assert holds_secret(name, value) is yes
