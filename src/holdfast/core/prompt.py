"""Prompts: functions that give messages, whose arguments pass the same chain as a tool's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from holdfast.core.content import Message
from holdfast.core.function import FunctionOperation
from holdfast.core.pipeline import Answer
from holdfast.errors import ConfigurationError


class Prompt(FunctionOperation):
    """A function that returns text, a ``Message``, or a list of them. Clients send every argument as text, so numbers
    and booleans are read from it."""

    kind: ClassVar = "prompt"

    def __init__(self, function: Callable[..., Any], **facts: Any) -> None:
        self.adopt(function, {"read_only": True, "lenient": True, **facts})
        if not self.name:
            raise ConfigurationError("a prompt made from something without a name needs name=")

    def listing(self) -> dict[str, Any]:
        """The prompt as ``prompts/list`` shows it."""
        entry = super().listing()
        schema = self.arguments.schema
        required = schema.get("required", ())
        entry["arguments"] = [
            {"name": name, "required": name in required}
            | ({"description": node["description"]} if "description" in node else {})
            for name, node in schema.get("properties", {}).items()
        ]
        return entry

    def present(self, value: Any) -> Answer:
        """The messages of the prompt."""
        many = value if isinstance(value, Sequence) and not isinstance(value, str) else [value]
        messages = [item if isinstance(item, Message) else Message(item) for item in many]
        body: dict[str, Any] = {"messages": [message.wire() for message in messages]}
        if self.description:
            body["description"] = self.description
        return Answer(body)
