"""New API keys: what is hashed without salt must be long enough, and varied enough, for that."""

from __future__ import annotations

import string

import pytest

from holdfast.access.apikeys import LEAST, entry_for
from holdfast.access.tokens import hashed
from holdfast.errors import ConfigurationError

VARIED = string.ascii_letters


def test_a_token_of_just_enough_characters_is_taken() -> None:
    for token in (VARIED[:LEAST], VARIED[: LEAST // 4] * 4):
        assert entry_for(token) == {"token": hashed(token)}


def test_an_entry_says_what_for_and_until_when_if_that_is_a_time() -> None:
    token = VARIED[:LEAST]
    assert entry_for(token, [], "2030-01-31") == {"token": hashed(token), "scopes": [], "expires": "2030-01-31"}
    with pytest.raises(ConfigurationError, match="a time of a token"):
        entry_for(token, None, "soon")


@pytest.mark.parametrize("token", [VARIED[: LEAST - 1], VARIED[: LEAST // 4 - 1] * 9])
def test_one_that_its_hash_would_give_away_is_refused_unsaid(token: str) -> None:
    with pytest.raises(ConfigurationError, match="32 random characters") as refused:
        entry_for(token)
    assert token not in str(refused.value)
