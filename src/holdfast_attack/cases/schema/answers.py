"""What an answer to arguments says: that they were taken, refused, or that something broke."""

from __future__ import annotations

from typing import Any

from holdfast_attack.link.messages import encoded
from holdfast_attack.link.reply import Reply
from holdfast_attack.model import Finding

INTERNAL_ERROR = -32603
SERVER_ERROR = 500
KEPT = 65_536
"""Bytes of a request and of an answer that are kept as evidence."""


def broken(reply: Reply, within: float) -> str | None:
    """What no arguments whatever may cause: silence, an internal error, an answer that is none; or None."""
    if reply.silent:
        return f"there was no answer within {within:g} s"
    if reply.code == INTERNAL_ERROR:
        return "the answer was an internal error (-32603)"
    if reply.status is not None and reply.status >= SERVER_ERROR:
        return f"the answer was HTTP status {reply.status}"
    if not reply.failed and reply.result is None:
        return "the answer was neither a result nor an error"
    return None


def taken(reply: Reply, within: float) -> str | None:
    """The same, or that wrong arguments were answered like right ones."""
    if reply.result is not None and not reply.failed and reply.result.get("resultType", "complete") == "complete":
        return "it was answered with a result and no error"
    return broken(reply, within)


def finding(what: str, tool: str, arguments: Any, reply: Reply) -> Finding:
    """With the bytes of this call alone."""
    sent = encoded({"method": "tools/call", "params": {"name": tool, "arguments": arguments}})
    return Finding(what, tool, sent[:KEPT], reply.raw[:KEPT])
