"""Content: the blocks of the wire."""

from __future__ import annotations

from typing import Any

import mcp_types
import pytest
from pydantic import BaseModel

from holdfast.core.content import (
    Audio,
    EmbeddedResource,
    Image,
    Message,
    ResourceLink,
    block_of,
    contents,
    is_content,
    text_block,
)
from holdfast.errors import OutputInvalid


class Pet(BaseModel):
    type: str = "dog"


@pytest.mark.parametrize(
    "content, block",
    [
        (Image(b"\x00\xff", "image/gif"), {"type": "image", "data": "AP8=", "mimeType": "image/gif"}),
        (Audio(b"x"), {"type": "audio", "data": "eA==", "mimeType": "audio/wav"}),
        (
            ResourceLink("a://b", "n", "d", "text/plain", 0),
            {
                "type": "resource_link",
                "uri": "a://b",
                "name": "n",
                "description": "d",
                "mimeType": "text/plain",
                "size": 0,
            },
        ),
        (
            EmbeddedResource("a://b", b"x", "image/png"),
            {"type": "resource", "resource": {"uri": "a://b", "mimeType": "image/png", "blob": "eA=="}},
        ),
        ("text", {"type": "text", "text": "text"}),
        ({"type": "text", "text": "ready"}, {"type": "text", "text": "ready"}),
        (
            mcp_types.ResourceLink(type="resource_link", name="n", uri="a://b"),
            {"type": "resource_link", "name": "n", "uri": "a://b"},
        ),
    ],
)
def test_each_kind_of_content_is_one_block(content: Any, block: dict[str, Any]) -> None:
    assert block_of(content) == block


@pytest.mark.parametrize("value", [None, 5, b"x", ["x"], {"a": 1}, {"type": "dog"}, Pet(), object()])
def test_what_is_no_content_is_refused_without_repeating_it(value: Any) -> None:
    with pytest.raises(OutputInvalid, match="no content"):
        block_of(value)


def test_a_model_of_the_author_is_not_mistaken_for_content() -> None:
    assert not is_content(Pet())
    assert not is_content({"type": ["text"]})
    assert is_content(Image(b""))
    assert is_content(mcp_types.TextContent(type="text", text="x"))


def test_a_ready_block_is_copied() -> None:
    ready = {"type": "text", "text": "x"}
    assert block_of(ready) is not ready


def test_contents_are_text_or_a_blob_under_their_uri() -> None:
    assert contents("a://b", "t", None) == {"uri": "a://b", "text": "t"}
    assert contents("a://b", b"", "x/y") == {"uri": "a://b", "mimeType": "x/y", "blob": ""}


def test_a_message_has_a_role_and_one_block() -> None:
    assert Message("Hi").wire() == {"role": "user", "content": text_block("Hi")}
    assert Message(Image(b"x"), role="assistant").wire()["role"] == "assistant"
