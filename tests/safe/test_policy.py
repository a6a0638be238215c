"""Which hosts and which types of answers an operator admits."""

from __future__ import annotations

import pickle
from dataclasses import replace

import pytest

from holdfast.errors import ConfigurationError, UnsafeUrl
from holdfast.safe.locations import Location, parse
from holdfast.safe.pinning import checked_addresses
from holdfast.safe.policy import TEXT_TYPES, UrlPolicy, admits_type, checked_types


def admitted(url: str, policy: UrlPolicy) -> bool:
    try:
        parse(url, policy)
    except UnsafeUrl as refusal:
        return refusal.code not in ("url.host", "url.address")
    return True


@pytest.mark.parametrize(
    "host, yes",
    [("api.example.org", True), ("API.Example.org.", True), ("www.example.com", True), ("a.b.example.com", True),
     ("example.com", False), ("notexample.com", False), ("example.com.evil.org", False), ("evil.org", False),
     ("xapi.example.org", False), ("a.api.example.org", False), ("bücher.example", True), ("8.8.8.8", False)],
)  # fmt: skip
def test_only_the_hosts_that_are_named_are_fetched(host: str, yes: bool) -> None:
    policy = UrlPolicy(hosts=frozenset({"API.example.org", "*.example.com", "Bücher.example"}))
    assert admitted(f"https://{host}/", policy) is yes


@pytest.mark.parametrize(
    "host, yes",
    [("evil.org", False), ("a.evil.org", False), ("wild.org", True), ("a.wild.org", False), ("203.1.113.9", False),
     ("203.1.114.9", True), ("[2606:4700::1]", False), ("8.8.8.8", False), ("8.8.4.4", True), ("good.org", True)],
)  # fmt: skip
def test_what_is_denied_is_not_fetched(host: str, yes: bool) -> None:
    denied = frozenset({"evil.org", "*.wild.org", "203.1.113.0/24", "2606:4700::/32", "8.8.8.8"})
    assert admitted(f"https://{host}/", UrlPolicy(deny_hosts=denied)) is yes
    both = UrlPolicy(deny_hosts=denied, hosts=frozenset({host.strip(".")}), allow=frozenset({f"{host}:443"}))
    assert admitted(f"https://{host}/", both) is yes, "a denial wins over every admission"


@pytest.mark.parametrize("answer", ["203.1.113.7", "::ffff:203.1.113.7", "64:ff9b::cb01:7107", "2002:cb01:7107::1"])
async def test_no_name_leads_to_a_network_that_is_denied(answer: str) -> None:
    async def resolve(host: str, port: int) -> list[str]:
        return [answer]

    policy = UrlPolicy(deny_hosts=frozenset({"203.1.113.0/24"}), allow=frozenset({"intranet.example:80"}))
    with pytest.raises(UnsafeUrl) as caught:
        await checked_addresses(Location("http", "intranet.example", 80, "/"), policy, resolve)
    assert caught.value.code == "url.host"


def test_a_copy_of_a_policy_denies_what_it_denied() -> None:
    policy = UrlPolicy(deny_hosts=frozenset({"evil.org", "203.1.113.0/24"}), hosts=frozenset({"*.org"}))
    for copied in (replace(policy, timeout=1.0), pickle.loads(pickle.dumps(policy))):  # noqa: S301  # our own bytes
        assert copied.denies_address("203.1.113.9")
        assert copied.denies("a.evil.org")
        assert copied.hosts == policy.hosts
        assert not copied.denies_address("8.8.8.8")


def test_a_pair_that_is_allowed_needs_no_second_listing() -> None:
    policy = UrlPolicy(allow=frozenset({"localhost:8080"}), hosts=frozenset({"example.org"}))
    assert admitted("http://localhost:8080/", policy)
    assert not admitted("http://localhost:80/", policy)


@pytest.mark.parametrize("entry", ["", "*", "*.", "a b", "http://x.org", "x.org:80", "a..b", "*.*.org", "-x.org"])
def test_a_rule_that_is_no_host_is_an_error_at_build(entry: str) -> None:
    for field in ("hosts", "deny_hosts"):
        with pytest.raises(ConfigurationError):
            UrlPolicy(**{field: frozenset({entry})})


@pytest.mark.parametrize(
    "kind, yes",
    [("text/plain", True), ("TEXT/HTML; charset=utf-8", True), ("application/json", True),
     ("application/ld+json", True),
     ("image/svg+xml", True), ("application/octet-stream", False), ("image/png", False), ("", False), ("text", False),
     ("text/", False), ("*/*", False), ("text/*", False), ("text/plain, image/png", False), ("application/zip", False),
     ("application/vnd.api+json;x=y", True), ("application/x+jsonp", False), ("text/plain\x00", False)],
)  # fmt: skip
def test_a_type_is_text_in_one_of_its_forms_or_not_read(kind: str, yes: bool) -> None:
    assert admits_type(kind, TEXT_TYPES) is yes


def test_an_operators_own_types_take_the_place_of_these() -> None:
    policy = UrlPolicy(types=frozenset({"Image/*", "application/pdf"}))
    assert admits_type("image/png", policy.types)
    assert admits_type("application/PDF", policy.types)
    assert not admits_type("text/plain", policy.types)
    assert admits_type("anything/at-all", checked_types(("*/*",)))
    for wrong in ("pdf", "image/", "text/plain; charset=x", "*", ""):
        with pytest.raises(ConfigurationError):
            UrlPolicy(types=frozenset({wrong}))


def test_a_form_in_a_suffix_is_asked_of_the_suffix_alone() -> None:
    only = checked_types(("*/*+json",))
    assert admits_type("application/ld+json", only)
    assert not admits_type("application/json", only)
    assert not admits_type("model/json", TEXT_TYPES)
