"""What leaves the server: text without what a terminal or a model would obey, and messages as bytes."""

from __future__ import annotations

import json
import re
from typing import Any

STRINGS = re.compile("(?:\x1b[\\]PX^_]|[\x90\x98\x9d\x9e\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\\\|\x9c)?")
SEQUENCES = re.compile("(?:\x1b\\[|\x9b)[0-?]*[ -/]*[@-~]?|\x1b[ -/]*[0-~]?")
CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
HIDDEN = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)


class Writing:
    """Results and errors on their way out."""

    TEXT = 131_072  # characters of a result's text

    def clean(self, text: str) -> str:
        """Text that is only read: no sequences for terminals, nothing that is not seen, no half characters."""
        return self.unhidden(self.uncontrolled(text))[: self.TEXT]

    def uncontrolled(self, text: str) -> str:
        """Without escape sequences (those that hold text first), control characters and lone surrogates."""
        text = SEQUENCES.sub("", STRINGS.sub("", text.replace("\r\n", "\n")))
        return CONTROLS.sub("\ufffd", text)

    def unhidden(self, text: str) -> str:
        """Without characters that are not seen, or change how others are seen."""
        return HIDDEN.sub("", text)

    def cleaned(self, value: Any) -> Any:
        """Every text in a value."""
        if isinstance(value, str):
            return self.clean(value)
        if isinstance(value, dict):
            return {self.clean(key): self.cleaned(item) for key, item in value.items()}
        return [self.cleaned(item) for item in value] if isinstance(value, list) else value

    def rendered(self, message: dict[str, Any]) -> bytes:
        """A message as bytes on one line."""
        return json.dumps(message, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()

    def succeeded(self, value: Any) -> dict[str, Any]:
        """The result of a tool that gave a text, or an object that is repeated as text for older clients."""
        value = self.cleaned(value)
        if isinstance(value, str):
            return {"content": [{"type": "text", "text": value}]}
        return {"content": [{"type": "text", "text": json.dumps(value)}], "structuredContent": value}

    def failed(self, why: str) -> dict[str, Any]:
        """The result of a call that failed (MCP: errors of tools are results, so that a model can do better)."""
        return {"content": [{"type": "text", "text": self.clean(why)}], "isError": True}
