"""The endpoint: what a wire hands in, which nobody on the way can change."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from holdfast.core.endpoint import Kind, Request
from holdfast.core.registry import Registry
from holdfast.testing import principal


def test_a_request_cannot_be_changed_on_its_way() -> None:
    session: Any = object()
    request = Request("tool", "greet", {"name": "Ada"}, principal("ada"), session)
    with pytest.raises(AttributeError):
        request.principal = principal("root")  # type: ignore[misc]
    assert request == Request("tool", "greet", {"name": "Ada"}, principal("ada"), session)


def test_every_kind_that_can_be_asked_for_can_be_registered() -> None:
    shelves = vars(Registry())
    assert [f"{kind}s" for kind in get_args(Kind)] == list(shelves)
