"""Arguments: their JSON schema, their strict validation, and messages that tell the caller what to send instead."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, get_args

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import PydanticSerializationError, to_json

from holdfast.core.complaints import refusal
from holdfast.errors import InvalidArguments
from holdfast.safe.handle import Handle

if TYPE_CHECKING:
    from holdfast.safe.sandbox import Sandbox


class ToolInput(BaseModel):
    """Base of a tool's arguments: unknown names are refused, nothing is converted, values are frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """A guard handle's default is written as text (``path: DirPath = "."``) and passes the same checks."""
        texts = [f for f in cls.model_fields.values() if isinstance(f.default, str) and holds_handle(f.annotation)]
        if texts and not all(field.validate_default for field in texts):
            for field in texts:
                field.validate_default = True
            cls.model_rebuild(force=True)


class Arguments(Protocol):
    """Checks what a caller sent and gives the typed arguments."""

    schema: dict[str, Any]

    def check(self, sent: Mapping[str, Any], sandbox: Sandbox | None) -> Any:
        """Return the typed arguments. Raises ``InvalidArguments``, whose message never holds a sent value."""
        ...


class ModelArguments:
    """Arguments described by a pydantic model."""

    def __init__(self, model: type[BaseModel], *, lenient: bool = False) -> None:
        self.model = model
        self.schema = trimmed(model.model_json_schema())
        self._lenient = lenient
        self._validate = model.__pydantic_validator__.validate_json

    def check(self, sent: Mapping[str, Any], sandbox: Sandbox | None) -> Any:
        """See ``Arguments.check``."""
        try:
            return self._validate(_encoded(sent), strict=True, extra="forbid", context=sandbox)
        except ValidationError as error:
            if not self._lenient:
                raise refusal(error, self.schema) from None
            mended = _unquoted(sent, error)
        try:
            return self._validate(_encoded(mended), strict=True, extra="forbid", context=sandbox)
        except ValidationError as error:
            raise refusal(error, self.schema) from None


def holds_handle(annotation: Any) -> bool:
    """Whether a type is a guard handle, or a union or list of them."""
    if isinstance(annotation, type) and issubclass(annotation, Handle):
        return True
    return any(holds_handle(item) for item in get_args(annotation))


def _encoded(sent: Mapping[str, Any]) -> bytes:
    try:
        return to_json(sent, inf_nan_mode="constants")
    except (PydanticSerializationError, UnicodeEncodeError):
        raise InvalidArguments("an argument holds text that is not valid Unicode; send well-formed text") from None


MAX_UNQUOTED = 65_536
"""Characters of one text argument that ``lenient`` tries to read as JSON."""


def _unquoted(sent: Mapping[str, Any], error: ValidationError) -> Mapping[str, Any]:
    """A copy of ``sent`` in which each text that failed as another type is read as JSON, where it can be."""
    mended: Any = json.loads(_encoded(sent))
    for item in error.errors(include_url=False, include_context=False, include_input=False):
        _unquote(mended, item["loc"])
    return mended if isinstance(mended, dict) else sent


def _unquote(tree: Any, path: tuple[int | str, ...]) -> None:
    holder: Any = None
    key: int | str = ""
    for step in path:
        if not isinstance(tree, dict | list) or (isinstance(tree, dict) and step not in tree):
            break
        holder, key = tree, step
        tree = holder[key]
        if isinstance(tree, str):
            break
    if holder is not None and isinstance(tree, str) and len(tree) <= MAX_UNQUOTED:
        try:
            holder[key] = json.loads(tree.lower() if tree.lower() in ("true", "false") else tree)
        except (ValueError, RecursionError):
            return


def trimmed(schema: dict[str, Any]) -> dict[str, Any]:
    """Drop the titles that pydantic adds by itself: they cost an agent tokens and tell it nothing."""
    return {key: _trim(value, key) for key, value in schema.items() if key not in ("title", "description")}


def _trim(node: Any, parent: str) -> Any:
    if isinstance(node, list):
        return [_trim(item, "") for item in node]
    if not isinstance(node, dict):
        return node
    named = parent in ("properties", "$defs", "patternProperties")
    kept = node.items() if named else [(k, v) for k, v in node.items() if not (k == "title" and isinstance(v, str))]
    return {
        key: value if key in ("default", "const", "enum", "examples") and not named else _trim(value, key)
        for key, value in kept
    }
