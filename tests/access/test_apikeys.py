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


@pytest.mark.parametrize("token", [VARIED[: LEAST - 1], VARIED[: LEAST // 4 - 1] * 9])
def test_one_that_its_hash_would_give_away_is_refused_unsaid(token: str) -> None:
    with pytest.raises(ConfigurationError, match="32 random characters") as refused:
        entry_for(token)
    assert token not in str(refused.value)
