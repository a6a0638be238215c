"""What a tool gives back: its output schema, and the one place where a value becomes content and structured output."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, PydanticUndefinedAnnotation, PydanticUserError, TypeAdapter
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
from holdfast.core.raw import checker, first
from holdfast.errors import ConfigurationError, OutputInvalid
from holdfast.safe.json import dumps

_PLAIN = (None, type(None), str, Any, list, list[Any], Result, Image, Audio, EmbeddedResource, ResourceLink)
"""Return types that are sent as content alone."""


_LONG = 1 << 63
"""From here on an integer is left to the parser, which refuses those of more than 4,300 digits."""


class ToolOutput(BaseModel):
    """Base of a tool's structured output."""

    model_config = ConfigDict(extra="forbid")


class Output:
    """A declared output: its schema, and the check that every answer passes.

    What is sent is what the type declares: an attribute that only a subclass has stays here, and an object with
    properties that the schema does not name is refused.
    """

    def __init__(self, declared: Any) -> None:
        try:
            adapter: TypeAdapter[Any] = TypeAdapter(declared)
            schema = closed(trimmed(adapter.json_schema(mode="serialization")))
        except (PydanticUserError, PydanticUndefinedAnnotation) as error:
            raise ConfigurationError(f"a return type has no JSON schema; annotate another ({error.code})") from None
        self._wrapped = schema.get("type") != "object"
        self.schema = _in_result(schema) if self._wrapped else schema
        self._adapter = adapter
        self._validator = checker(self.schema)
        self._growth = None
        if "$defs" in self.schema:
            from holdfast.core.nesting import growth

            self._growth = growth(self.schema)
        self._exact = declared if declared is int or declared is bool else None

    def present(self, value: Any) -> Answer:
        """Encode once, check the encoded form, and send both the text and the structure. Raises ``OutputInvalid``."""
        if type(value) is self._exact and -_LONG < value < _LONG:  # nothing that could be wrong with it
            return Answer({"content": [text_block(str(value).lower())], "structuredContent": {"result": value}})
        raw = encoded(value, self._written, self._plain)
        value = _decoded(raw)
        structure = {"result": value} if self._wrapped else value
        self.recheck(structure)
        return Answer(
            {
                "content": [text_block(value if isinstance(value, str) else raw.decode())],
                "structuredContent": structure,
            }
        )

    def recheck(self, structure: Any) -> None:
        """Check structured output, also again after its text was altered. Raises ``OutputInvalid``."""
        if self._growth is not None and not self._growth.fits(structure):
            raise OutputInvalid("the tool's answer is nested too deep for its output schema: a fault of the server")
        if not self._validator.is_valid(structure):
            kind = first(self._validator, structure).kind.name
            raise OutputInvalid(f"the tool's answer does not fit its output schema ({kind}): a fault of the server")

    def _written(self, value: Any) -> bytes:
        return self._adapter.dump_json(value, by_alias=True, warnings=False)

    def _plain(self, value: Any) -> Any:
        return self._adapter.dump_python(value, mode="json", by_alias=True, warnings=False)


def closed(node: Any, parent: str = "") -> Any:
    """The schema in which every object with named properties takes no others, unless it says that it does."""
    if isinstance(node, list):
        return [closed(item) for item in node]
    if not isinstance(node, dict):
        return node
    if parent in ("properties", "$defs"):
        return {name: closed(item) for name, item in node.items()}
    values = ("default", "const", "enum", "examples")
    inner = {key: item if key in values else closed(item, key) for key, item in node.items()}
    return {"additionalProperties": False, **inner} if "properties" in inner else inner


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
        body["structuredContent"] = _object(value.structured)
    return Answer(body, meta=_object(value.meta))


def _object(value: Any) -> dict[str, Any]:
    made = _decoded(encoded(value))
    if not isinstance(made, dict):
        raise OutputInvalid("structured output is an object: a fault of the server")
    return made


def _blocks(value: Any) -> list[Block]:
    if value is None or (isinstance(value, tuple) and not value):
        return []
    if isinstance(value, Sequence) and not isinstance(value, str | bytes) and any(is_content(item) for item in value):
        return [_block(item) for item in value]
    return [_block(value)]


def _block(value: Any) -> Block:
    if isinstance(value, str) or is_content(value):
        return block_of(value)
    return text_block(encoded(value).decode())


def _json(value: Any) -> bytes:
    return to_json(value, inf_nan_mode="null")


def encoded(
    value: Any, write: Callable[[Any], bytes] = _json, plain: Callable[[Any], Any] = to_jsonable_python
) -> bytes:
    """JSON bytes; lone surrogates (what ``os.listdir`` can give) become U+FFFD, NaN becomes null.

    Raises ``OutputInvalid`` for what JSON cannot hold.
    """
    if _holds_iterator(value):
        raise OutputInvalid("the tool's answer holds an iterator, which may have no end: a fault of the server")
    try:
        return _tried(value, write, plain)
    except (PydanticSerializationError, ValueError, TypeError, RecursionError, OutputInvalid):
        pass  # the message would name the value
    raise OutputInvalid("the tool's answer cannot be written as JSON: a fault of the server")


_SCALARS = frozenset({str, int, float, bool, type(None)})
_CONTAINERS = (dict, list, tuple)


def _holds_iterator(value: Any) -> bool:
    """Whether there is an iterator in plain containers: the encoder would draw from it until the memory is full."""
    waiting, seen = [value], set()
    while waiting:
        item = waiting.pop()
        kind = type(item)
        if kind in _SCALARS:
            continue
        if kind in _CONTAINERS and _SCALARS.issuperset(map(type, item.values() if kind is dict else item)):
            continue
        if not isinstance(item, _CONTAINERS):
            if isinstance(item, Iterator):
                return True
        elif id(item) not in seen:
            seen.add(id(item))
            waiting.extend(item.values() if isinstance(item, dict) else item)
    return False


def _tried(value: Any, write: Callable[[Any], bytes], plain: Callable[[Any], Any]) -> bytes:
    try:
        return write(value)
    except (PydanticSerializationError, ValueError):
        pass
    try:
        return dumps(plain(value))
    except (PydanticSerializationError, ValueError):  # a key that is not Unicode
        return dumps(value)


def _decoded(raw: bytes) -> Any:
    try:
        return from_json(raw)
    except ValueError:  # an integer of more digits than any parser takes
        raise OutputInvalid("the tool's answer holds a number that is too long: a fault of the server") from None
