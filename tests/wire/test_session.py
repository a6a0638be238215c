"""What a client is known to be able to do, from what it declared."""

from __future__ import annotations

from types import SimpleNamespace

import mcp_types as types
import pytest

from holdfast.wire.session import ClientSession


def session(**declared: object) -> ClientSession:
    """A session of a client that declared these capabilities."""
    capabilities = types.ClientCapabilities.model_validate(declared)
    connection = SimpleNamespace(client_capabilities=capabilities)
    return ClientSession(SimpleNamespace(protocol_version="2025-11-25", session=connection), None)


@pytest.mark.parametrize(
    "elicitation, forms, urls",
    [({}, True, False), ({"form": {}}, True, False), ({"url": {}}, False, True), ({"form": {}, "url": {}}, True, True)],
)
def test_elicitation_without_more_means_forms(elicitation: dict[str, object], forms: bool, urls: bool) -> None:
    known = session(elicitation=elicitation)
    assert known.offers("elicitation") is forms
    assert known.offers("elicitation.url") is urls


def test_what_was_not_declared_is_not_offered() -> None:
    known = session(roots={})
    assert known.offers("roots")
    assert not any(known.offers(name) for name in ("sampling", "elicitation", "elicitation.url", "roots.what"))
