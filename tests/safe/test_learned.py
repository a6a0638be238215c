"""Secrets that calls learn: found at once, forgotten in time, bounded, and never at the cost of the server's own."""

from __future__ import annotations

import pickle

import pytest

from holdfast.errors import ConfigurationError
from holdfast.safe.learned import MAX_LEARNED, MERGED, SMALL, Learned
from holdfast.safe.sandbox import Sandbox
from holdfast.safe.secrets import WHILE, SecretRegistry, SecretValue


def test_an_argument_that_is_a_secret_is_redacted_by_itself_for_a_while() -> None:
    now = [0.0]
    registry = SecretRegistry(now=lambda: now[0])
    sandbox = Sandbox(learn=registry.learn)
    SecretValue.from_text("hunter2-of-a-caller", sandbox)
    SecretValue.from_text("short", sandbox)
    assert registry.redact("see hunter2-of-a-caller").text == "see [redacted:argument]"
    now[0] = WHILE - 1
    SecretValue.from_text("hunter2-of-a-caller", sandbox)
    now[0] = WHILE + 1
    assert registry.redact("see hunter2-of-a-caller").hits == ("argument",)
    now[0] = 2 * WHILE
    assert registry.redact("see hunter2-of-a-caller").hits == ()
    assert len(registry) == 0


def test_a_sandbox_travels_without_its_registry() -> None:
    made = Sandbox(learn=SecretRegistry().learn)
    assert pickle.loads(pickle.dumps(made)).learn is None  # noqa: S301 - made right here
    value = SecretValue.from_text("hunter2-of-a-caller", made)
    assert pickle.loads(pickle.dumps(value)).reveal() == "hunter2-of-a-caller"  # noqa: S301 - made right here


def test_a_value_that_is_the_servers_own_keeps_its_name_and_never_expires() -> None:
    now = [0.0]
    registry = SecretRegistry(now=lambda: now[0])
    registry.add("the-servers-own", "own")
    version = registry.version
    registry.learn("the-servers-own")
    assert registry.version == version
    now[0] = 1e9
    assert registry.redact("the-servers-own").hits == ("own",)


def test_a_flood_of_arguments_is_bounded_and_pushes_out_only_its_own() -> None:
    registry = SecretRegistry()
    registry.add("the-servers-own", "own")
    for number in range(MAX_LEARNED + 3 * SMALL):
        registry.learn(f"argument-{number:06}-x")
        assert len(registry) <= MAX_LEARNED + 1
    text = registry.redact(f"the-servers-own argument-{MAX_LEARNED + 3 * SMALL - 1:06}-x argument-000000-x").text
    assert text == "[redacted:own] [redacted:argument] argument-000000-x"


def test_groups_stay_few_and_forget() -> None:
    learned = Learned()
    for number in range(MAX_LEARNED):
        assert learned.add(f"value-{number:05}", "x", float(number))
        assert len(learned._groups) <= MERGED + MAX_LEARNED // (SMALL * MERGED)
    assert not learned.add("value-00000", "x", 1e6)
    learned.remove("value-00001")
    learned.remove("never known")
    assert len(learned) == MAX_LEARNED - 1
    assert sum(len(search.values) for search in learned.searches) >= 1
    learned.purge(1e5)
    assert 0 < len(learned) < MAX_LEARNED
    learned.purge(1e7)
    assert (len(learned), learned.expiry) == (0, None)


def test_each_value_is_kept_once_and_the_oldest_give_way_a_group_at_a_time() -> None:
    learned = Learned()
    for number in range(MAX_LEARNED):
        learned.add(f"value-{number:05}", "x", 1.0)
        assert len(learned) == number + 1
    for number in range(MAX_LEARNED, 2 * MAX_LEARNED):
        learned.add(f"value-{number:05}", "x", 1.0)
        assert MAX_LEARNED - MERGED * SMALL <= len(learned) <= MAX_LEARNED
    newest = range(2 * MAX_LEARNED - len(learned), 2 * MAX_LEARNED)
    assert not any(learned.add(f"value-{number:05}", "x", 1.0) for number in newest)


def test_a_group_is_prepared_once_and_again_when_it_has_changed() -> None:
    learned = Learned()
    learned.add("value-one", "x", 1.0)
    (first,) = learned.searches
    assert learned.searches[0] is first
    learned.add("value-two", "x", 1.0)
    (second,) = learned.searches
    assert second is not first
    learned.remove("value-one")
    (third,) = learned.searches
    assert third is not second
    learned.remove("value-two")
    assert (learned.searches, learned.expiry, len(learned)) == ((), None, 0)


@pytest.mark.parametrize("value", ["", "short", "x" * 70_000])
def test_what_cannot_be_searched_for_is_told(value: str) -> None:
    with pytest.raises(ConfigurationError):
        SecretRegistry().learn(value)
