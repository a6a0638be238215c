"""``holdfast token``: keys are shown once, kept as hashes, and never passed as arguments."""

from __future__ import annotations

import json
from typing import Any

import pytest

from holdfast.access.tokens import TokenTable
from holdfast.core.principal import ALL

KEY = "0123456789abcdef0123456789abcdef"


def test_a_new_key_opens_what_its_entry_says(holdfast: Any) -> None:
    ran = holdfast("token", "new", "ada", "--scopes", "read, write", "--expires", "2040-01-31")
    key, entry = ran.out.splitlines()
    assert ran.status == 0
    assert key not in ran.err
    assert key not in entry
    found = TokenTable(entry).principal(key)
    assert found is not None
    assert (found.name, found.scopes) == ("ada", {"read", "write"})
    assert json.loads(entry)["ada"]["expires"] == "2040-01-31"
    assert holdfast("token", "new", "ada").out.splitlines()[0] != key


def test_a_key_that_there_is_is_hashed(holdfast: Any) -> None:
    ran = holdfast("token", "hash", "bob", stdin=f"{KEY}\n")
    assert (ran.status, ran.err, KEY in ran.out) == (0, "", False)
    found = TokenTable(ran.out).principal(KEY)
    assert found is not None
    assert (found.name, found.scopes) == ("bob", {ALL})
    shown = holdfast("config", "--json", HOLDFAST_AUTH__TOKENS=ran.out)
    assert json.loads(shown.out)["settings"]["auth.tokens"]["value"] == "********"


@pytest.mark.parametrize(
    "words, stdin, said",
    [
        (["new", "ada", "--expires", "tomorrow"], "", "a time of a token"),
        (["new", "jwt:ada"], "", "issuer's subjects"),
        (["new", ""], "", "printable"),
        (["hash", "ada"], "canary", "32 random characters"),
        (["hash", "ada"], "\n", "32 random characters"),
    ],
)
def test_what_would_not_hold_is_one_line_that_repeats_nothing(
    holdfast: Any, words: list[str], stdin: str, said: str
) -> None:
    ran = holdfast("token", *words, stdin=stdin)
    assert (ran.status, ran.out) == (2, "")
    assert said in ran.err
    assert "canary" not in ran.err
    assert len(ran.err.splitlines()) == 1


def test_a_key_is_never_an_argument(holdfast: Any) -> None:
    assert holdfast("token", "hash", "ada", KEY).status == 2
