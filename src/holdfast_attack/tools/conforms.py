"""Whether a value fits a schema: jsonschema-rs decides, within bounds that a hostile schema cannot leave."""

from __future__ import annotations

from typing import Any

import jsonschema_rs

from holdfast_attack.tools.cost import Cost, TooCostly, has_own_ids, longest_text, weigh

MAX_COMPILED = 2**20
"""Bytes of one compiled pattern: no engine without a bound."""
MOST_BACKTRACKS = 10_000
LONGEST_WITH_BACKTRACKS = 4_000
"""Characters of a text under a pattern with look-around: that engine is not linear (1.6 s for 30,000 [measured])."""


class Checker:
    """One schema, compiled. A schema that cannot be used (invalid, huge, of an unknown dialect, or elsewhere) has no
    opinion on anything.
    """

    def __init__(self, schema: Any) -> None:
        self._cost = Cost(schema)
        self._careful = False
        self._validator = self._compiled(schema)

    @property
    def usable(self) -> bool:
        """Whether the schema can be used."""
        return self._validator is not None

    def accepts(self, value: Any) -> bool | None:
        """Whether ``value`` fits; None when that cannot be told. Formats are annotations, as 2020-12 has them."""
        if self._validator is None or (self._careful and longest_text(value) > LONGEST_WITH_BACKTRACKS):
            return None
        try:
            self._cost.walk(value)
            return _verdict(self._validator, value) if self._careful else bool(self._validator.is_valid(value))
        except (TooCostly, ValueError, TypeError, RecursionError):
            return None  # too much work, or nothing that JSON can say (a lone surrogate)

    def _compiled(self, schema: Any) -> Any:
        if not isinstance(schema, dict | bool):
            return None
        try:
            weigh(schema)
        except TooCostly:
            return None
        if has_own_ids(schema):
            return None
        linear = jsonschema_rs.RegexOptions(size_limit=MAX_COMPILED, dfa_size_limit=MAX_COMPILED)
        found = _compile(schema, linear)
        if found is None:
            self._careful = True
            found = _compile(schema, jsonschema_rs.FancyRegexOptions(MOST_BACKTRACKS, MAX_COMPILED, MAX_COMPILED))
        return found


def conforms(schema: Any, value: Any) -> bool | None:
    """Whether ``value`` fits ``schema``; None when the schema cannot be used, or that would take too much work."""
    return Checker(schema).accepts(value)


def _compile(schema: Any, options: Any) -> Any:
    try:
        return jsonschema_rs.validator_for(schema, retriever=_refuse, pattern_options=options, validate_formats=False)
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError, TypeError):
        return None


def _verdict(validator: Any, value: Any) -> bool | None:
    """With the engine that may give up: that is no verdict."""
    try:
        validator.validate(value)
    except jsonschema_rs.ValidationError as error:
        kinds = jsonschema_rs.ValidationErrorKind
        return None if isinstance(error.kind, kinds.BacktrackLimitExceeded | kinds.RegexEngineFailure) else False
    return True


def _refuse(reference: str) -> Any:
    raise ValueError("references outside the schema are not followed")
