"""Arguments described by a JSON schema of the author's own, which no pydantic model stands behind."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

from pydantic_core import to_json

from holdfast.core.complaints import explain
from holdfast.errors import ConfigurationError, InvalidArguments

if TYPE_CHECKING:
    from holdfast.safe.sandbox import Sandbox

MAX_FAULTS = 20
"""Faults that are told apart."""
MAX_SEARCHED = 65_536
"""Bytes of arguments in which all faults are looked for: the library finds every one before it tells the first, which
took 1.2 s for a list of 100,000 (measured)."""


def checker(schema: Mapping[str, Any]) -> Any:
    """A validator by jsonschema-rs, whose regular expressions are bounded (a pattern that held another library for
    18.5 s takes it 0.01 s), and which is told to fetch no reference. Raises ``ConfigurationError``."""
    import jsonschema_rs

    try:
        return jsonschema_rs.validator_for(dict(schema), retriever=_refuse)
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError, TypeError) as error:
        raise ConfigurationError(f"a JSON schema is not usable: {type(error).__name__}") from None


def _refuse(reference: str) -> Any:
    raise ValueError("references outside the schema are not followed (CVE-2026-39885)")


class SchemaArguments:
    """Validates a plain dict; what comes out is what came in."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        if schema.get("type") != "object":
            raise ConfigurationError('a tool\'s own JSON schema must have "type": "object"')
        self.schema = dict(schema)
        self._validator = checker(schema)

    def check(self, sent: Mapping[str, Any], sandbox: Sandbox | None) -> dict[str, Any]:
        """Return the arguments as a plain dict. Raises ``InvalidArguments``."""
        value = dict(sent)
        try:
            size = len(to_json(value))
            if self._validator.is_valid(value):
                return value
        except ValueError:
            raise InvalidArguments("an argument holds text that is not valid Unicode; send well-formed text") from None
        errors = self._validator.iter_errors(value) if size <= MAX_SEARCHED else [first(self._validator, value)]
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
