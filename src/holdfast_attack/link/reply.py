"""An answer as it came, and what can be read from it without believing it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

KEPT = 2**20
"""Bytes of an answer that are kept as evidence."""
_LIMITED = re.compile(r"rate.?limit|too many requests|limit exceeded|\bbusy\b|throttl|queue is full", re.IGNORECASE)
_CODES = re.compile(r"(?:rate|quota|bulkhead|busy)\b")
_AGAIN = re.compile(r"retry.?after\"?[:= ]+(\d+(?:\.\d+)?)", re.IGNORECASE)
TOO_MANY = 429


@dataclass(frozen=True, slots=True)
class Reply:
    """What came for one request. ``message`` is None when nothing came in time, or nothing that could be read."""

    message: dict[str, Any] | None
    raw: bytes = b""
    seconds: float = 0.0
    status: int | None = None
    """Of HTTP."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Of HTTP, names in lower case."""
    notes: tuple[dict[str, Any], ...] = ()
    """What the server told on the same HTTP stream before it answered."""

    @property
    def silent(self) -> bool:
        """Nothing came in time."""
        return self.message is None and self.status is None

    @property
    def error(self) -> dict[str, Any] | None:
        """The JSON-RPC error."""
        error = (self.message or {}).get("error")
        return error if isinstance(error, dict) else None

    @property
    def code(self) -> int | None:
        """The number of the JSON-RPC error."""
        code = (self.error or {}).get("code")
        return code if isinstance(code, int) else None

    @property
    def result(self) -> dict[str, Any] | None:
        """The result."""
        result = (self.message or {}).get("result")
        return result if isinstance(result, dict) else None

    @property
    def failed(self) -> bool:
        """A JSON-RPC error, a tool's own error, or an HTTP status that says so."""
        is_error = bool((self.result or {}).get("isError"))
        return self.error is not None or is_error or (self.status is not None and self.status >= 400)

    @property
    def text(self) -> str:
        """Everything in it that a model or a user would read."""
        parts: list[str] = []
        if self.error is not None:
            parts += _strings(self.error.get("message"))
            parts += _strings(self.error.get("data"))
        for item in _items((self.result or {}).get("content")):
            parts += _strings(item.get("text"))
            parts += _strings(item.get("resource"))
        structured = (self.result or {}).get("structuredContent")
        if structured is not None:
            parts.append(json.dumps(structured, ensure_ascii=False))
        return "\n".join(parts)

    @property
    def limited(self) -> bool:
        """Refused for its number and not for what it says: it has to be tried again."""
        if not self.failed:
            return False
        if self.status == TOO_MANY or self.retry_after is not None:
            return True
        code = self._meta("code")
        return bool((isinstance(code, str) and _CODES.match(code)) or _LIMITED.search(self.text[:2000]))

    @property
    def retry_after(self) -> float | None:
        """Seconds after which the server says that it may be tried again."""
        for value in (self._meta("retryAfter"), self._data().get("retryAfter"), self.headers.get("retry-after")):
            try:
                return max(0.0, float(value))  # type: ignore[arg-type]  # whatever it is
            except (TypeError, ValueError):
                continue
        found = _AGAIN.search(self.text[:2000]) if self.failed else None
        return float(found[1]) if found else None

    def _data(self) -> dict[str, Any]:
        data = (self.error or {}).get("data")
        return data if isinstance(data, dict) else {}

    def _meta(self, name: str) -> Any:
        meta = (self.result or {}).get("_meta")
        for holder in (meta, self._data(), self._data().get("_meta")):
            if isinstance(holder, dict):
                for key, value in holder.items():
                    if isinstance(key, str) and key.rpartition("/")[2] == name:
                        return value
        return None


def _items(value: Any) -> Iterator[dict[str, Any]]:
    return (item for item in (value if isinstance(value, list) else []) if isinstance(item, dict))


def _strings(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [] if value is None else [json.dumps(value, ensure_ascii=False)]
