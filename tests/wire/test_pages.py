"""Answers that depend on no call: what they hold, when they are made again, and when the SDK has to say them."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import mcp_types as types
import pytest
from mcp_types.methods import serialize_server_result

from holdfast.core.principal import Principal
from holdfast.wire import pages
from holdfast.wire.pages import LISTS, Pages
from holdfast.wire.sdk import SdkServer

SCHEMA = {"type": "object", "properties": {"a": {"default": None}}}
ADA = Principal("ada", frozenset())
ALL = frozenset({"tools", "resources", "prompts", "completions"})


def endpoint(offered: frozenset[str] = ALL, **identity: Any) -> Any:
    """As much of a server as its pages are made of."""
    lists = {
        "tools": [{"name": "t", "inputSchema": SCHEMA, "annotations": {"readOnlyHint": True}}],
        "resources": [{"name": "r", "uri": "a://b", "mimeType": "text/plain"}],
        "templates": [{"name": "m", "uriTemplate": "a://{b}"}],
        "prompts": [{"name": "p", "arguments": [{"name": "x", "required": True}]}],
    }
    return SimpleNamespace(
        name="paged", version="2", identity=identity, offered=offered, local=Principal("local", frozenset()),
        lists=lists, listed=lambda what, who: lists[what], input_schema=lambda tool, who: None,
    )  # fmt: skip


@pytest.mark.parametrize("offered", [ALL, frozenset({"tools"}), frozenset()])
@pytest.mark.parametrize("identity", [{}, {"title": "T", "instructions": "Ask.", "website_url": "https://x.example"}])
def test_a_welcome_and_a_discovery_say_what_the_sdk_would(offered: frozenset[str], identity: dict[str, Any]) -> None:
    made = endpoint(offered, **identity)
    told = Pages(made)
    low = SdkServer(made).lowlevel
    options = low.create_initialization_options()
    said = types.InitializeResult(
        protocol_version="2025-11-25",
        capabilities=options.capabilities,
        server_info=types.Implementation(
            name="paged", version="2", title=identity.get("title"), website_url=identity.get("website_url")
        ),
        instructions=identity.get("instructions"),
    ).model_dump(by_alias=True, mode="json", exclude_none=True)
    said = serialize_server_result("initialize", "2025-11-25", said)
    assert json.loads(told.welcome("2025-11-25") or b"") == said
    discovery = json.loads(told.discovery() or b"")
    assert discovery["supportedVersions"] == ["2026-07-28"]
    assert discovery["capabilities"] == said["capabilities"]
    assert discovery["_meta"] == json.loads(b"{" + told.stamp + b"}")
    assert discovery["_meta"]["io.modelcontextprotocol/serverInfo"] == said["serverInfo"]
    assert discovery.get("instructions") == identity.get("instructions")
    assert (discovery["ttlMs"], discovery["cacheScope"], discovery["resultType"]) == (0, "private", "complete")


def test_a_version_that_nobody_knows_is_answered_with_the_last_one_that_shakes_hands() -> None:
    told = Pages(endpoint())
    for wanted, given in (("2024-11-05", "2024-11-05"), ("2026-07-28", "2025-11-25"), ("", "2025-11-25")):
        assert json.loads(told.welcome(wanted) or b"")["protocolVersion"] == given
    assert told.welcome("2024-11-05") is told.welcome("2024-11-05"), "made once"
    assert told.discovery() is told.discovery()


def test_icons_are_the_sdks_to_check() -> None:
    told = Pages(endpoint(icons=[{"src": "x"}]))
    assert told.welcome("2025-11-25") is None
    assert told.discovery() is None


@pytest.mark.parametrize("method", LISTS)
def test_a_list_is_what_the_sdk_would_let_pass_and_is_made_again_when_it_changes(method: str) -> None:
    made = endpoint()
    told = Pages(made)
    what, key = LISTS[method]
    for modern, version in ((False, "2025-11-25"), (True, "2026-07-28")):
        page = told.shelf(method, modern, ADA)
        assert told.shelf(method, modern, ADA) is page
        found = json.loads(page or b"")
        body: dict[str, Any] = {key: made.lists[what]}
        hints = {"ttlMs": 0, "cacheScope": "private", "resultType": "complete"} if modern else {}
        assert serialize_server_result(method, version, body | hints)[key] == found[key] == made.lists[what]
        assert ("_meta" in found) is modern
        made.lists[what] = [*made.lists[what], {"name": "new", **made.lists[what][0], "title": "New"}]
        assert len(json.loads(told.shelf(method, modern, ADA) or b"")[key]) == len(made.lists[what])


def test_what_is_not_offered_has_no_list() -> None:
    told = Pages(endpoint(frozenset({"tools"})))
    assert told.shelf("tools/list", False, ADA) is not None
    assert [told.shelf(method, False, ADA) for method in LISTS if method != "tools/list"] == [None] * 3


@pytest.mark.parametrize("odd", ["icons", "_meta", "execution", "x"])
def test_an_entry_with_more_than_is_known_here_is_the_sdks_to_check(odd: str) -> None:
    made = endpoint()
    made.lists["tools"][0][odd] = []
    assert Pages(made).shelf("tools/list", True, ADA) is None


def test_a_list_that_json_cannot_hold_is_the_sdks_to_refuse() -> None:
    made = endpoint()
    made.lists["tools"][0]["inputSchema"] = {"type": "object", "default": object()}
    assert Pages(made).shelf("tools/list", False, ADA) is None


def test_lists_of_many_groups_of_callers_are_kept_up_to_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "MAX_SHELVES", 2)
    made = endpoint()
    seen = {name: [{"name": name, "inputSchema": SCHEMA}] for name in ("ada", "bob", "eve")}
    made.listed = lambda what, who: seen[who.name]
    told = Pages(made)

    def page(name: str) -> bytes:
        found = told.shelf("tools/list", True, Principal(name))
        assert found is not None
        assert json.loads(found)["tools"][0]["name"] == name
        return found

    ada, bob = page("ada"), page("bob")
    assert (page("ada"), page("bob")) == (ada, bob)
    assert page("ada") is ada
    page("eve")
    assert page("ada") is ada
    assert page("bob") is not bob, "forgotten, and made again"
    assert len(told._shelves) == 2
