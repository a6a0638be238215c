"""What a tool can ask of the user, of the client's model and of the client: the requests, and the answers to forms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from holdfast.errors import ConfigurationError, InvalidArguments

if TYPE_CHECKING:
    from pydantic import BaseModel

M = TypeVar("M", bound="BaseModel")
_CAPABILITIES = {"sampling/createMessage": "sampling", "roots/list": "roots", "elicitation/create": "elicitation"}


@dataclass(frozen=True, slots=True)
class Elicited(Generic[M]):
    """What the user answered: ``data`` is set when ``action`` is ``accept``."""

    action: Literal["accept", "decline", "cancel"]
    data: M | None = None


def form_request(message: str, schema: type[BaseModel]) -> dict[str, Any]:
    """An ``elicitation/create`` request for the fields of a flat model."""
    return {
        "method": "elicitation/create",
        "params": {"mode": "form", "message": message, "requestedSchema": flat_schema(schema)},
    }


def url_request(message: str, url: str, elicitation_id: str) -> dict[str, Any]:
    """An ``elicitation/create`` request that sends the user to a URL."""
    params = {"mode": "url", "message": message, "url": url, "elicitationId": elicitation_id}
    return {"method": "elicitation/create", "params": params}


def sampling_request(
    messages: str | list[Mapping[str, Any]], max_tokens: int, system: str | None = None
) -> dict[str, Any]:
    """A ``sampling/createMessage`` request; a plain text becomes one user message."""
    if isinstance(messages, str):
        messages = [{"role": "user", "content": {"type": "text", "text": messages}}]
    params: dict[str, Any] = {"messages": messages, "maxTokens": max_tokens}
    if system is not None:
        params["systemPrompt"] = system
    return {"method": "sampling/createMessage", "params": params}


def roots_request() -> dict[str, Any]:
    """A ``roots/list`` request."""
    return {"method": "roots/list", "params": {}}


def needed_capability(request: Mapping[str, Any]) -> str:
    """What a client must have declared to be sent ``request``. Raises ``ConfigurationError`` for an unknown method."""
    needed = _CAPABILITIES.get(request["method"])
    if needed is None:
        raise ConfigurationError(f"a client can be asked {', '.join(_CAPABILITIES)}")
    return "elicitation.url" if request["params"].get("mode") == "url" else needed


def flat_schema(schema: type[BaseModel]) -> dict[str, Any]:
    """The model's JSON schema as elicitation takes it: an object of primitive properties, no references.

    Raises ``ConfigurationError`` when a field is not a primitive, an enumeration or a list of choices.
    """
    full = schema.model_json_schema()
    definitions = full.get("$defs", {})
    properties = {}
    for name, declared in full.get("properties", {}).items():
        properties[name] = _primitive(name, declared, definitions)
    flat: dict[str, Any] = {"type": "object", "properties": properties}
    if "required" in full:
        flat["required"] = full["required"]
    return flat


def _primitive(name: str, declared: dict[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    declared = _followed(declared, definitions)
    if declared.get("type") == "array":
        items = _followed(declared.get("items", {}), definitions)
        choices = items.get("anyOf") or items.get("oneOf") or [items]  # titled choices are written as constants
        if all("enum" in choice or "const" in choice for choice in choices):
            return {**declared, "items": items}
    elif declared.get("type") in ("string", "integer", "number", "boolean"):
        return declared
    raise ConfigurationError(f"an elicited field must be a primitive, an enumeration or a list of choices: {name}")


def _followed(declared: dict[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    if "$ref" not in declared:
        return declared
    target = definitions[declared["$ref"].rpartition("/")[2]]
    return {**target, **{key: value for key, value in declared.items() if key != "$ref"}}


def chosen(answer: Mapping[str, Any]) -> Literal["accept", "decline", "cancel"]:
    """What the user did; whatever is neither accepting nor declining is cancelling."""
    action = answer.get("action")
    return "accept" if action == "accept" else "decline" if action == "decline" else "cancel"


def elicited(answer: Mapping[str, Any], schema: type[M]) -> Elicited[M]:
    """The answer to ``form_request(..., schema)``. Raises ``InvalidArguments`` when it does not fit."""
    from pydantic import ValidationError

    action = chosen(answer)
    if action != "accept":
        return Elicited(action)
    try:
        return Elicited("accept", schema.model_validate(answer.get("content") or {}))
    except ValidationError:
        raise InvalidArguments("the answer to the question does not fit what was asked; answer again") from None
