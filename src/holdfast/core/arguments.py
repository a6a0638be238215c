"""Arguments: their JSON schema, their strict validation, and messages that tell the caller what to send instead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, get_args

from pydantic import BaseModel, ConfigDict, PydanticUndefinedAnnotation, PydanticUserError, ValidationError
from pydantic_core import PydanticSerializationError, from_json, to_json

from holdfast.core.complaints import MAX_EXPLAINED, refusal
from holdfast.errors import ConfigurationError, HoldfastError, InvalidArguments
from holdfast.safe.handle import Handle
from holdfast.safe.json import Bounds, loads

if TYPE_CHECKING:
    from holdfast.core.nesting import Growth
    from holdfast.safe.sandbox import Sandbox


class ToolInput(BaseModel):
    """Base of a tool's arguments: unknown names are refused, nothing is converted, values are frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """A guard handle's default is written as text (``path: DirPath = "."``) and passes the same checks."""
        guarded = [
            field
            for field in cls.model_fields.values()
            if not field.is_required() and field.default is not None and holds_handle(field.annotation)
        ]
        if not all(field.validate_default for field in guarded):
            for field in guarded:
                field.validate_default = True
            cls.model_rebuild(force=True)


class Arguments(Protocol):
    """Checks what a caller sent and gives the typed arguments."""

    schema: dict[str, Any]

    def check(self, sent: Mapping[str, Any], sandbox: Sandbox | None) -> Any:
        """Return the typed arguments. Raises ``InvalidArguments``, whose message never holds a sent value."""
        ...


class ModelArguments:
    """Arguments described by a pydantic model. Raises ``ConfigurationError`` for one without a JSON schema."""

    def __init__(self, model: type[BaseModel], *, lenient: bool = False) -> None:
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            raise ConfigurationError("a tool's Input must be a subclass of ToolInput")
        try:
            self.schema = trimmed(model.model_json_schema())
            self._validate = model.__pydantic_validator__.validate_json
            self._direct = model.__pydantic_validator__.validate_python if takes_scalars(model) else None
        except (PydanticUserError, PydanticUndefinedAnnotation) as error:
            raise ConfigurationError(f"{model.__name__}: an argument's type has no schema ({error.code})") from None
        self._growth: Growth | None = None
        if "$defs" in self.schema:  # without names, nothing nests in itself
            from holdfast.core.nesting import growth

            self._growth = growth(self.schema, tagged=True)
        self.model = model
        self._lenient = lenient

    def check(self, sent: Mapping[str, Any], sandbox: Sandbox | None) -> Any:
        """See ``Arguments.check``; also raises ``InputTooLarge`` for what nested alternatives would multiply."""
        if self._growth is not None:
            self._growth.check(sent)
        if self._direct is not None and _plain(sent):
            try:
                return self._direct(sent, strict=True, extra="forbid", context=sandbox)
            except ValidationError:
                pass  # told below, in the words for what came as JSON
        try:
            return self._validate(_encoded(sent), strict=True, extra="forbid", context=sandbox)
        except ValidationError as error:
            if not self._lenient or error.error_count() > MAX_EXPLAINED:
                raise refusal(error, self.schema) from None
            mended = _unquoted(sent, error)
        try:
            return self._validate(_encoded(mended), strict=True, extra="forbid", context=sandbox)
        except ValidationError as error:
            raise refusal(error, self.schema) from None


_SCALARS = frozenset({"str", "int", "float", "bool"})
_SCALAR_TYPES = frozenset({int, float, bool, type(None)})


def takes_scalars(model: type[BaseModel]) -> bool:
    """Whether a model takes text, numbers and booleans alone, by pydantic's own means: then it need not be told that
    they came as JSON (strictly, each is only ever itself), and nothing has to be written to be read again."""
    core: Any = model.__pydantic_core_schema__
    fields = core.get("schema", {})
    if core["type"] != "model" or core.get("custom_init") or core.get("post_init") or core.get("root_model"):
        return False
    return fields.get("type") == "model-fields" and all(_scalar(item["schema"]) for item in fields["fields"].values())


def _plain(sent: Mapping[str, Any]) -> bool:
    """Whether there are only scalars, of exactly these types, and no text that JSON cannot hold."""
    if type(sent) is not dict:
        return False
    for item in sent.values():
        if type(item) is str:
            if not (item.isascii() or _is_unicode(item)):
                return False
        elif type(item) not in _SCALAR_TYPES:
            return False
    return True


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # a lone surrogate, which pydantic takes from Python
        return False
    return True


def _scalar(schema: Any) -> bool:
    inner = schema["schema"] if schema["type"] == "default" else schema
    return inner["type"] in _SCALARS


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
_UNQUOTED = Bounds(bytes=4 * MAX_UNQUOTED, string=4 * MAX_UNQUOTED)


def _unquoted(sent: Mapping[str, Any], error: ValidationError) -> Any:
    """A copy of ``sent`` in which each text that failed as another type is read as JSON, where it can be."""
    mended = from_json(_encoded(sent))
    for item in error.errors(include_url=False, include_context=False, include_input=False):
        _unquote(mended, item["loc"])
    return mended


def _unquote(tree: Any, path: tuple[int | str, ...]) -> None:
    holder: Any = None
    key: int | str = ""
    for step in path:
        if _leads_on(tree, step):  # a step that does not is the name of an alternative in a union
            holder, key = tree, step
            tree = holder[key]
    if holder is not None and isinstance(tree, str) and len(tree) <= MAX_UNQUOTED:
        holder[key] = _read(tree)


def _leads_on(tree: Any, step: int | str) -> bool:
    if isinstance(tree, list):
        return isinstance(step, int) and step < len(tree)
    return isinstance(tree, dict) and step in tree


def _read(text: str) -> Any:
    """The number, boolean, list or object that ``text`` is, under the bounds of every message; else the text."""
    word = text.strip().lower()
    try:
        value = loads((word if word in ("true", "false") else text).encode(), _UNQUOTED)
    except HoldfastError:
        return text
    return text if value is None or isinstance(value, str) else value


def trimmed(schema: dict[str, Any]) -> dict[str, Any]:
    """Drop the titles that pydantic adds by itself: they cost an agent tokens and tell it nothing."""
    return {key: _trim(value, key) for key, value in schema.items() if key not in ("title", "description")}


def _trim(node: Any, parent: str) -> Any:
    if isinstance(node, list):
        return [_trim(item, "") for item in node]
    if not isinstance(node, dict):
        return node
    if parent in ("properties", "$defs", "patternProperties"):
        return {name: _trim(value, "") for name, value in node.items()}
    kept = [(key, value) for key, value in node.items() if not (key == "title" and isinstance(value, str))]
    return {key: value if key in ("default", "const", "enum", "examples") else _trim(value, key) for key, value in kept}
