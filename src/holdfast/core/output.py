"""What a tool gives back: its output schema, and the one place where a value becomes content and structured output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import (
    BaseModel,
    ConfigDict,
    PydanticSchemaGenerationError,
    PydanticUserError,
    TypeAdapter,
    ValidationError,
)
from pydantic_core import PydanticSerializationError, from_json, to_json, to_jsonable_python

from holdfast.core.arguments import trimmed
from holdfast.core.content import (
    Audio,
    Block,
    EmbeddedResource,
    Image,
    ResourceLink,
    Result,
    block_of,
    is_content,
    text_block,
)
from holdfast.core.pipeline import Answer
from holdfast.errors import ConfigurationError, OutputInvalid

_PLAIN = (None, type(None), str, Any, Result, Image, Audio, EmbeddedResource, ResourceLink)
"""Return types that are sent as content alone."""


class ToolOutput(BaseModel):
    """Base of a tool's structured output."""

    model_config = ConfigDict(extra="forbid")


class Output:
    """A declared output: its schema, and the check that every answer passes."""

    def __init__(self, declared: Any) -> None:
        try:
            self._adapter: TypeAdapter[Any] = TypeAdapter(declared)
            schema = trimmed(self._adapter.json_schema(mode="serialization"))
        except (PydanticSchemaGenerationError, PydanticUserError) as error:
            raise ConfigurationError(f"a return type has no JSON schema; annotate another ({error.code})") from None
        self._wrapped = schema.get("type") != "object"
        self.schema = _in_result(schema) if self._wrapped else schema

    def present(self, value: Any) -> Answer:
        """Encode once, check the encoded form, and send both the text and the structure. Raises ``OutputInvalid``."""
        encoded = _encoded(value)
        self._check(encoded)
        structure = from_json(encoded)
        text = structure if isinstance(structure, str) else encoded.decode()
        body = {
            "content": [text_block(text)],
            "structuredContent": {"result": structure} if self._wrapped else structure,
        }
        return Answer(body)

    def recheck(self, structure: Mapping[str, Any]) -> None:
        """Check structured output again after its text was altered. Raises ``OutputInvalid``."""
        self._check(to_json(structure.get("result") if self._wrapped else structure))

    def _check(self, encoded: bytes) -> None:
        try:
            self._adapter.validate_json(encoded, strict=True, by_alias=True, by_name=True)
        except ValidationError as error:
            kinds = sorted({item["type"] for item in error.errors(include_input=False, include_url=False)})
            raise OutputInvalid(
                f"the tool's answer does not fit its output schema ({', '.join(kinds[:3])}): a fault of the server"
            ) from None


def _in_result(schema: dict[str, Any]) -> dict[str, Any]:
    definitions = schema.pop("$defs", None)
    wrapped: dict[str, Any] = {"type": "object", "properties": {"result": schema}, "required": ["result"]}
    return wrapped if definitions is None else {"$defs": definitions, **wrapped}


def declared_output(annotation: Any) -> Output | None:
    """The output for a return annotation; ``None`` when it is sent as content alone."""
    if annotation in _PLAIN or is_content_type(annotation):
        return None
    return Output(annotation)


def is_content_type(annotation: Any) -> bool:
    """Whether a return type is a content object, or a list or union of them."""
    arguments = getattr(annotation, "__args__", None)
    if arguments:
        return any(is_content_type(item) for item in arguments)
    return annotation in (Image, Audio, EmbeddedResource, ResourceLink, Result) or _is_sdk_content(annotation)


def _is_sdk_content(annotation: Any) -> bool:
    return isinstance(annotation, type) and annotation.__module__.startswith("mcp_types")


def freely(value: Any) -> Answer:
    """An answer without an output schema: text, content objects, lists of them, ``Result``, or JSON as text."""
    if isinstance(value, Result):
        return _from_result(value)
    return Answer({"content": _blocks(value)})


def _from_result(value: Result) -> Answer:
    body: dict[str, Any] = {"content": _blocks(value.content)}
    if value.structured is not None:
        body["structuredContent"] = from_json(_encoded(value.structured))
    return Answer(body, meta=dict(value.meta))


def _blocks(value: Any) -> list[Block]:
    if value is None:
        return []
    if isinstance(value, str) or is_content(value):
        return [block_of(value)]
    if isinstance(value, Sequence) and not isinstance(value, bytes) and any(is_content(item) for item in value):
        return [block_of(item) for item in value]
    if isinstance(value, tuple) and not value:
        return []
    return [text_block(_encoded(value).decode())]


def _encoded(value: Any) -> bytes:
    """JSON bytes; lone surrogates (what ``os.listdir`` can give) become U+FFFD, NaN becomes null."""
    try:
        return to_json(value, inf_nan_mode="null")
    except UnicodeEncodeError:
        return _scrubbed(value)
    except PydanticSerializationError as error:
        if "surrogate" in str(error):
            return _scrubbed(value)
        raise OutputInvalid("the tool's answer cannot be written as JSON; this is a fault of the server") from None


def _scrubbed(value: Any) -> bytes:
    return to_json(_without_surrogates(to_jsonable_python(value, fallback=str)), inf_nan_mode="null")


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(item) for key, item in value.items()}
    return [_without_surrogates(item) for item in value] if isinstance(value, list) else value
