"""What a tool may return besides plain values, and how each becomes a content block of the wire."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from holdfast.errors import OutputInvalid

Block = dict[str, Any]


class Content(Protocol):
    """Anything that is one content block."""

    def block(self) -> Block:
        """The block as it goes on the wire."""
        ...


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


@dataclass(frozen=True, slots=True)
class Image:
    """A picture. ``data`` are the file's bytes; ``mime_type`` such as ``image/png``."""

    data: bytes
    mime_type: str = "image/png"

    def block(self) -> Block:
        return {"type": "image", "data": _encoded(self.data), "mimeType": self.mime_type}


@dataclass(frozen=True, slots=True)
class Audio:
    """A recording. ``data`` are the file's bytes; ``mime_type`` such as ``audio/wav``."""

    data: bytes
    mime_type: str = "audio/wav"

    def block(self) -> Block:
        return {"type": "audio", "data": _encoded(self.data), "mimeType": self.mime_type}


@dataclass(frozen=True, slots=True)
class EmbeddedResource:
    """A resource's contents inside an answer: text, or bytes (sent as a base64 blob)."""

    uri: str
    content: str | bytes
    mime_type: str | None = None

    def block(self) -> Block:
        return {"type": "resource", "resource": contents(self.uri, self.content, self.mime_type)}


@dataclass(frozen=True, slots=True)
class ResourceLink:
    """A pointer to a resource that the client may read later."""

    uri: str
    name: str
    description: str | None = None
    mime_type: str | None = None
    size: int | None = None

    def block(self) -> Block:
        block: Block = {"type": "resource_link", "uri": self.uri, "name": self.name}
        optional = {"description": self.description, "mimeType": self.mime_type, "size": self.size}
        return block | {key: value for key, value in optional.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a prompt. ``content`` is text or a content object."""

    content: str | Content | Mapping[str, Any]
    role: Literal["user", "assistant"] = "user"

    def wire(self) -> Block:
        """The message as it goes on the wire."""
        return {"role": self.role, "content": block_of(self.content)}


@dataclass(frozen=True, slots=True)
class Result:
    """A tool's whole answer, when content, structured output and ``_meta`` must be set apart."""

    content: Any = ()
    structured: Any = None
    meta: Mapping[str, Any] = field(default_factory=dict)


def text_block(text: str) -> Block:
    """A text block."""
    return {"type": "text", "text": text}


def contents(uri: str, content: str | bytes, mime_type: str | None) -> Block:
    """A resource's contents: ``text`` or ``blob`` under its URI."""
    body: Block = {"uri": uri}
    if mime_type is not None:
        body["mimeType"] = mime_type
    return body | ({"text": content} if isinstance(content, str) else {"blob": _encoded(content)})


_KINDS = ("text", "image", "audio", "resource", "resource_link")
"""Types of content blocks (MCP 2025-06-18, server/tools)."""


def is_content(value: object) -> bool:
    """Whether ``value`` is a content object of ours, a content model of the SDK, or a ready block as a mapping."""
    if isinstance(value, Mapping):
        return value.get("type") in _KINDS
    return hasattr(value, "block") or (hasattr(value, "model_dump") and getattr(value, "type", None) in _KINDS)


def block_of(value: Any) -> Block:
    """One content block from text, a content object, an SDK content model or a ready mapping.

    Raises ``OutputInvalid`` for anything else.
    """
    if isinstance(value, str):
        return text_block(value)
    if not is_content(value):
        raise OutputInvalid("the answer holds something that is no content; this is a fault of the server")
    if isinstance(value, Mapping):
        return dict(value)
    block: Block = (
        value.block() if hasattr(value, "block") else value.model_dump(by_alias=True, mode="json", exclude_none=True)
    )
    return block
