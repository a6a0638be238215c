"""Arguments described by a JSON schema of the author's own, which no pydantic model stands behind."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.util import find_spec
from itertools import islice
from math import isfinite
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json, to_json

from holdfast.core.complaints import explain
from holdfast.core.nesting import growth
from holdfast.core.unfolding import patterns_of, weigh
from holdfast.errors import ConfigurationError, InvalidArguments

if TYPE_CHECKING:
    from holdfast.safe.sandbox import Sandbox

MAX_FAULTS = 20
"""Faults that are told apart."""
MAX_SEARCHED = 65_536
"""Bytes of arguments in which all faults are looked for: the library finds every one before it tells the first, which
took 1.2 s for a list of 100,000 (measured)."""
MAX_COMPILED = 1 << 20
"""Bytes that one compiled pattern of a schema may take, and as many again while it runs."""
_OF_DECIMALS = re.compile(
    "|".join(
        re.escape(rf"^(?!^[-+.]*$)[+-]?0*{rest}").replace("NUMBER", "[0-9]{1,4}")
        for rest in (
            r"\d*\.?\d*$",
            r"\d*\.?\d{0,NUMBER}0*$",
            r"(?:\d{0,NUMBER}|(?=[\d.]{1,NUMBER}0*$)\d*\.\d*0*$)",
            r"(?:\d{0,NUMBER}|(?=[\d.]{1,NUMBER}0*$)\d{0,NUMBER}\.\d{0,NUMBER}0*$)",
        )
    )
)
"""The patterns of pydantic 2.12 and 2.13 for decimal numbers, whole and to the letter; 2.14 writes none."""

_SCALARS: dict[str, frozenset[type]] = {
    "string": frozenset({str}),
    "integer": frozenset({int}),
    "number": frozenset({int, float}),
    "boolean": frozenset({bool}),
    "null": frozenset({type(None)}),
}


def checker(schema: Mapping[str, Any]) -> Any:
    """A validator by jsonschema-rs, whose regular expressions are bounded (a pattern that held another library for
    18.5 s takes it 0.01 s), and which is told to fetch no reference. Raises ``ConfigurationError``.

    For an object of one plain value, which is what a tool gets that returns a number or a text, it waits until a value
    does not plainly fit: the library holds 8 MB.
    """
    accepted = _one_scalar(schema)
    return by_library(schema) if accepted is None else OneScalar(schema, *accepted)


def _one_scalar(schema: Mapping[str, Any]) -> tuple[str, frozenset[type]] | None:
    """The name and types of the one property, when the schema says no more than that it is there and of a type."""
    properties = schema.get("properties")
    if set(schema) != {"type", "properties", "required"} or not isinstance(properties, dict) or len(properties) != 1:
        return None
    ((name, node),) = properties.items()
    if schema["type"] != "object" or schema["required"] != [name] or not isinstance(node, dict):
        return None
    kind = node.get("type")
    types = _SCALARS.get(kind) if len(node) == 1 and isinstance(kind, str) else None
    return None if types is None else (name, types)


class OneScalar:
    """Says yes where nobody could say no, and leaves every other value to the library."""

    def __init__(self, schema: Mapping[str, Any], name: str, types: frozenset[type]) -> None:
        if find_spec("jsonschema_rs") is None:
            raise ConfigurationError("JSON schemas are checked by the package jsonschema-rs: install it")
        self._schema = schema
        self._name = name
        self._types = types
        self._library: Any = None

    def is_valid(self, value: Any) -> bool:
        """Whether ``value`` fits."""
        if type(value) is dict:
            found = value.get(self._name, self)
            if type(found) in self._types and (type(found) is not float or isfinite(found)):
                return True
        return bool(self._checker().is_valid(value))

    def validate(self, value: Any) -> None:
        """Raise the library's error for a value that does not fit."""
        self._checker().validate(value)

    def _checker(self) -> Any:
        if self._library is None:
            self._library = by_library(self._schema)
        return self._library


def by_library(schema: Mapping[str, Any]) -> Any:
    """The library's own validator. Raises ``ConfigurationError``: no valid schema, a reference to another place, or
    more work than a schema may cause.

    Patterns run on the engine that takes linear time. Its default has look-around, and took 1.6 s for
    ``(?<=a)(a+)+$`` and 30,000 characters, four times as long for twice as many [measured]. Only pydantic's own
    patterns for decimals get it, which begin where the text begins.
    """
    import jsonschema_rs

    own = dict(schema)
    weigh(own)
    fancy = [pattern for pattern in patterns_of(own) if not _is_linear(pattern)]
    if not all(map(_OF_DECIMALS.fullmatch, fancy)):
        raise ConfigurationError(
            "a JSON schema's pattern is not usable: no look-around, no back-references, no huge counts"
        )
    engine = jsonschema_rs.FancyRegexOptions if fancy else jsonschema_rs.RegexOptions
    options = engine(size_limit=MAX_COMPILED, dfa_size_limit=MAX_COMPILED)
    try:
        return jsonschema_rs.validator_for(own, retriever=_refuse, pattern_options=options)
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError, TypeError) as error:
        raise ConfigurationError(f"a JSON schema is not usable: {type(error).__name__}") from None


def _is_linear(pattern: str) -> bool:
    """Whether the engine of linear time takes it, or would say that it is no pattern at all (told elsewhere)."""
    import jsonschema_rs

    options = jsonschema_rs.RegexOptions(size_limit=MAX_COMPILED, dfa_size_limit=MAX_COMPILED)
    try:
        jsonschema_rs.validator_for({"pattern": pattern}, retriever=_refuse, pattern_options=options)
    except (jsonschema_rs.ValidationError, ValueError, TypeError):
        return False
    return True


def _refuse(reference: str) -> Any:
    raise ValueError("references outside the schema are not followed (CVE-2026-39885)")


class SchemaArguments:
    """Validates a plain dict; what comes out is a copy of what came in, which its work may change."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        if schema.get("type") != "object":
            raise ConfigurationError('a tool\'s own JSON schema must have "type": "object"')
        self.schema = dict(schema)
        self._validator = by_library(schema)
        self._growth = growth(schema)

    def check(self, sent: Mapping[str, Any], sandbox: Sandbox | None) -> dict[str, Any]:
        """Return the arguments as a plain dict. Raises ``InvalidArguments`` or ``InputTooLarge``."""
        value = dict(sent)
        if self._growth is not None:
            self._growth.check(value)
        try:
            written = to_json(value)
            if self._validator.is_valid(value):
                return dict(from_json(written))
        except ValueError:
            raise InvalidArguments("an argument holds text that is not valid Unicode; send well-formed text") from None
        errors = self._validator.iter_errors(value) if len(written) <= MAX_SEARCHED else [first(self._validator, value)]
        faults = [_fault(error) for error in islice(errors, MAX_FAULTS)]
        raise InvalidArguments(explain(faults, self.schema, unions=False))


def first(validator: Any, value: Any) -> Any:
    """The first fault of a value that is not valid; stops there, however large it is."""
    import jsonschema_rs

    try:
        validator.validate(value)
    except jsonschema_rs.ValidationError as error:
        return error
    raise ValueError("the value is valid")


def _fault(error: Any) -> dict[str, Any]:
    """A fault of jsonschema-rs in the form in which pydantic tells one."""
    place, kind = tuple(error.instance_path), error.kind.name
    if kind == "required":
        return {"type": "missing", "loc": (*place, error.kind.property)}
    if kind in ("additionalProperties", "unevaluatedProperties"):
        return {"type": "extra_forbidden", "loc": (*place, "")}
    return {"type": kind, "loc": place}
