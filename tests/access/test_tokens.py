"""Tokens: read in every form, compared by digest, and each one's holder is beyond doubt."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.access.apikeys import entry_for, new_key, setting
from holdfast.access.tokens import (
    MAX_NAME,
    MAX_TOKENS,
    STRONG_LENGTH,
    Fingerprint,
    TokenTable,
    hashed,
    token_values,
    weaknesses,
)
from holdfast.core.principal import ALL, Principal
from holdfast.errors import ConfigurationError

ADA, BOB = "ada-token-1", "bob-token-2"
EVERYTHING = frozenset({ALL})


@pytest.mark.parametrize(
    "text, holders",
    [
        (ADA, {ADA: Principal("token-1", EVERYTHING)}),
        (f" {ADA} , {BOB},", {ADA: Principal("token-1", EVERYTHING), BOB: Principal("token-2", EVERYTHING)}),
        (json.dumps([ADA, BOB]), {ADA: Principal("token-1", EVERYTHING), BOB: Principal("token-2", EVERYTHING)}),
        (json.dumps({"ada": ADA, "bob": BOB}), {ADA: Principal("ada", EVERYTHING), BOB: Principal("bob", EVERYTHING)}),
        (json.dumps({"ada": {"token": ADA}}), {ADA: Principal("ada", EVERYTHING)}),
        (json.dumps({"ada": {"token": ADA, "scopes": ["read"]}}), {ADA: Principal("ada", frozenset({"read"}))}),
        (json.dumps({"ada": {"token": ADA, "scopes": []}}), {ADA: Principal("ada", frozenset())}),
    ],
)
def test_tokens_are_read_in_every_form(text: str, holders: dict[str, Principal]) -> None:
    table = TokenTable(text)
    assert {token: table.principal(token) for token in holders} == holders
    assert len(table) == len(holders)
    assert token_values(text) == list(holders)


@pytest.mark.parametrize("sent", ["", ADA[:-1], ADA + " ", ADA.upper(), "ada", "\ud800", "é" * 5000, ADA + "\0"])
def test_a_token_that_differs_in_anything_is_nobodys(sent: str) -> None:
    assert TokenTable(json.dumps({"ada": ADA})).principal(sent) is None


@given(sent=st.text(st.characters(exclude_categories=())))
def test_no_text_but_the_token_is_a_token(sent: str) -> None:
    assert (TokenTable(ADA).principal(sent) is not None) == (sent == ADA)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  ",
        ",",
        "[]",
        "{}",
        "[1]",
        "[null]",
        "[[]]",
        '{"ada": 5}',
        '{"ada": null}',
        '{"ada": {}}',
        '{"ada": {"token": 5}}',
        '{"ada": {"token": "canary-token", "scope": ["x"]}}',
        '{"ada": {"token": "canary-token", "scope": "read"}}',
        '{"ada": {"scopes": ["canary"]}}',
        '{"ada": {"token": "canary-token", "scopes": "read"}}',
        '{"ada": {"token": "canary-token", "scopes": [1]}}',
        '["canary-token"',
        "[" * 100_000,
    ],
    ids=lambda text: text[:30],
)
def test_anything_else_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        TokenTable(text)
    assert "HOLDFAST_AUTH__TOKENS is one token" in str(refused.value)
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize("text", [json.dumps({"ada": ""}), json.dumps([ADA, ""])])
def test_an_empty_token_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="is empty"):
        TokenTable(text)


def test_two_names_with_one_token_are_refused_by_their_names() -> None:
    with pytest.raises(ConfigurationError, match="ada and bob have the same token") as refused:
        TokenTable(json.dumps({"ada": ADA, "bob": {"token": ADA, "scopes": ["read"]}}))
    assert ADA not in str(refused.value)
    with pytest.raises(ConfigurationError, match="same token"):
        TokenTable(json.dumps([ADA, ADA]))


def test_a_name_that_stands_twice_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="a name stands twice"):
        TokenTable(f'{{"ada": "{ADA}", "ada": "{BOB}"}}')


@pytest.mark.parametrize("name", ["", "a\nb", "a\x1b[2J", "x" * (MAX_NAME + 1), "\u202e"])
def test_a_name_that_is_not_fit_for_a_log_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match="printable"):
        TokenTable(json.dumps({name: ADA}))


def test_a_name_and_an_entry_may_be_as_large_as_is_said() -> None:
    entry = {"token": ADA, "scopes": [], "id": "i", "not_before": "2027-01-31", "expires": "2027-02-28"}
    found = TokenTable(json.dumps({"x" * MAX_NAME: entry})).principal(ADA)
    assert found == Principal("x" * MAX_NAME, frozenset())


def test_the_number_of_tokens_is_bounded() -> None:
    assert len(TokenTable(json.dumps([f"token-number-{n}" for n in range(MAX_TOKENS)]))) == MAX_TOKENS
    with pytest.raises(ConfigurationError):
        TokenTable(json.dumps([f"token-number-{n}" for n in range(MAX_TOKENS + 1)]))


def test_neither_repr_nor_memory_shows_a_token() -> None:
    table = TokenTable(json.dumps({"ada": ADA}))
    assert repr(table) == "<TokenTable of 1>"
    assert ADA not in repr(vars(table))


def test_a_hashed_key_stands_for_the_key_and_its_hash_is_none() -> None:
    made = new_key(["read"], "2030-01-31")
    table = TokenTable(json.dumps({"ada": made.entry}))
    found = table.principal(made.key)
    assert found == Principal("ada", frozenset({"read"}))
    assert made.key not in json.dumps(made.entry)
    assert made.key.startswith(f"hfk_{made.entry['id']}_")
    for stolen in (made.entry["token"], made.entry["token"].removeprefix("sha256:"), made.entry["id"], made.key + "="):
        assert table.principal(stolen) is None
    assert token_values(json.dumps({"ada": made.entry, "bob": BOB})) == [BOB], "a hash is nothing to be redacted"


def test_a_principal_has_several_keys_each_with_its_time() -> None:
    text = json.dumps(
        {
            "ada": [
                {"token": ADA, "expires": "2027-01-31"},
                {"token": "ada-newer-token", "not_before": "2027-01-30T12:00:00+02:00", "scopes": ["read"], "id": "k2"},
            ]
        }
    )
    fingerprint = Fingerprint()
    table = TokenTable(text, fingerprint)
    old, new = table.holder(fingerprint(ADA)), table.holder(fingerprint("ada-newer-token"))
    assert old is not None
    assert new is not None
    assert (old.principal.name, new.principal.name, new.key) == ("ada", "ada", "k2")
    assert (old.begins, old.ends) == (float("-inf"), 1_801_353_600.0)
    assert (new.begins, new.ends) == (1_801_303_200.0, float("inf"))


@pytest.mark.parametrize(
    "entry, said",
    [
        ({"token": ADA, "expires": "soon"}, "a time of a token"),
        ({"token": ADA, "expires": "2027-01-31T12:00:00"}, "with its zone"),
        ({"token": ADA, "expires": "2027-02-31"}, "a time of a token"),
        ({"token": ADA, "expires": 1_800_000_000}, "is one token"),
        ({"token": ADA, "id": "a b"}, "the id of a token"),
        ({"token": "sha256:abc"}, "64 hexadecimal digits"),
        ({"token": f"sha256:{'A' * 64}"}, "64 hexadecimal digits"),
        ([ADA, ADA], "the same token"),
        ([], "is one token"),
        ([[ADA]], "is one token"),
    ],
)
def test_an_entry_that_says_something_else_is_refused(entry: object, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said) as refused:
        TokenTable(json.dumps({"ada": entry}))
    assert ADA not in str(refused.value)


def test_a_key_plain_and_hashed_is_the_same_key_and_no_name_is_an_issuers() -> None:
    with pytest.raises(ConfigurationError, match="the same token"):
        TokenTable(json.dumps({"ada": ADA, "bob": hashed(ADA)}))
    with pytest.raises(ConfigurationError, match="issuer's subjects"):
        TokenTable(json.dumps({"jwt:ada": ADA}))


def test_the_operator_is_told_what_is_weak_and_not_which() -> None:
    just, less = "s" * STRONG_LENGTH, "t" * (STRONG_LENGTH - 1)
    plain = "auth.tokens: {} kept plain; holdfast token hash hides them"
    short = "auth.tokens: 1 shorter than 16 characters can be guessed"
    assert weaknesses(json.dumps([just])) == [plain.format(1)]
    assert weaknesses(json.dumps([just, less])) == [short, plain.format(2)]
    assert weaknesses(json.dumps({"ada": new_key().entry})) == []


def test_new_keys_differ_and_weak_ones_are_not_hashed() -> None:
    assert len({new_key().key for _ in range(100)}) == 100
    assert len(new_key().key) == 4 + 10 + 1 + 43
    for weak in ("", "short", "a" * 64, "abcdefg" * 9, "x" * 31):
        with pytest.raises(ConfigurationError, match="32 random characters"):
            entry_for(weak)
    with pytest.raises(ConfigurationError, match="a time of a token"):
        new_key(None, "tomorrow")
    assert json.loads(setting("ada", {"token": "x"})) == {"ada": {"token": "x"}}
