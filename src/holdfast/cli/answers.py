"""Shows a tool's answer to a person: text as it is, everything else in one line that says what it is."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from holdfast.safe.text import clean


def show(result: Mapping[str, Any]) -> None:
    """Print an answer on standard output, or an error on standard error."""
    text = "\n".join(lines(result))
    if result.get("isError"):
        print(f"error: {text}", file=sys.stderr)
    else:
        print(text)


def lines(result: Mapping[str, Any]) -> Iterator[str]:
    """What the answer holds, block by block; its structure when it holds nothing else."""
    blocks = result.get("content") or []
    for block in blocks:
        yield clean(_block(block))
    if not blocks and "structuredContent" in result:
        yield clean(json.dumps(result["structuredContent"], indent=2, ensure_ascii=False))


def _block(block: Mapping[str, Any]) -> str:
    kind = block.get("type")
    if kind == "text":
        return str(block["text"])
    if kind == "resource":
        return _resource(block["resource"])
    if kind == "resource_link":
        return f"[link {block['uri']}: {block['name']}]"
    return f"[{kind} {block.get('mimeType', '')}, {_bytes(block.get('data', ''))} bytes]"


def _resource(resource: Mapping[str, Any]) -> str:
    if "text" in resource:
        return str(resource["text"])
    return f"[resource {resource['uri']} {resource.get('mimeType', '')}, {_bytes(resource['blob'])} bytes]"


def _bytes(encoded: str) -> int:
    """How many bytes a base64 text stands for (RFC 4648, 4)."""
    return len(encoded) * 3 // 4 - encoded[-2:].count("=")
