"""Every case of URLs finds its fault in a server that fetches anything, and nothing in one that refuses."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from attack.cases.played import found, not_found, played

from holdfast_attack.arena import Hit
from holdfast_attack.cases.urls import CASES, reaching
from holdfast_attack.cases.urls.reaching import loopback_names
from holdfast_attack.cases.urls.upstream import strays
from holdfast_attack.model import Outcome, Verdict

PLAYED = ("urls",)
IDS = [case.id for case in CASES]


@pytest.mark.parametrize("name", IDS)
def test_its_fault_is_found(name: str, naive: Mapping[str, Outcome]) -> None:
    found(naive[name])


@pytest.mark.parametrize("name", IDS)
def test_nothing_is_found_in_a_sound_server(name: str, sound: Mapping[str, Outcome]) -> None:
    not_found(sound[name])


REFUSED = {
    "urls.redirect",
    "urls.redirect-loop",
    "urls.credentials",
    "urls.traversal",
    "urls.bomb",
    "urls.big",
    "urls.slow",
}
"""Need a tool that goes somewhere: there is none in a server that goes nowhere."""


def test_what_needs_a_tool_that_goes_somewhere_is_not_applicable_without(sound: Mapping[str, Outcome]) -> None:
    assert {name for name in IDS if sound[name].verdict is Verdict.NOT_APPLICABLE} == REFUSED


def test_only_a_redirect_to_what_is_refused_directly_is_blamed(naive: Mapping[str, Outcome]) -> None:
    assert {one.tool for one in naive["urls.redirect"].findings} == {"fetch_partner"}


@pytest.mark.parametrize(
    "path, leaves",
    [
        ("/v1/items/1", False),
        ("/v1/items/a/../b", False),
        ("/v1/items/..%2f..%2fadmin", False),
        ("/v1/items/%2e%2e%2fadmin", False),
        ("/v1/items/1?x=../../admin", False),
        ("/v1", False),
        ("/v1/items/../../admin", True),
        ("/v1/items/%2e%2e/%2E%2E/admin", True),
        ("/admin", True),
        ("/v10/items", True),
        ("http://elsewhere/v1/items", True),
    ],
)
def test_a_request_leaves_its_base_as_servers_read_paths(path: str, leaves: bool) -> None:
    assert strays(Hit("GET", path, {})) is leaves


def test_names_of_this_machine_are_read_from_its_hosts() -> None:
    hosts = """
    127.0.0.1 localhost
    127.0.1.1 box.example box # a comment
    ::1 localhost ip6-localhost ip6-loopback
    10.0.0.1 elsewhere
    garbage here
    """
    assert loopback_names(hosts) == [("box.example", "127.0.1.1"), ("box", "127.0.1.1"), ("ip6-loopback", "::1")]


def test_a_machine_without_such_names_makes_it_not_applicable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(reaching, "HOSTS", tmp_path / "none")
    assert played("urls.name")["urls.name"].verdict is Verdict.NOT_APPLICABLE


def test_each_url_of_a_spelling_is_one_of_this_machine(naive: Mapping[str, Outcome]) -> None:
    for name in IDS:
        for finding in naive[name].findings:
            assert b"example.org" not in finding.sent
