"""All cases in the order in which they are played."""

from __future__ import annotations

from functools import cache
from importlib import import_module

from holdfast.errors import ConfigurationError
from holdfast_attack.model import Case, Kind
from holdfast_attack.play.aftermath import aftermath


@cache
def all_cases() -> tuple[Case, ...]:
    """By class; after each, whether honest calls still work. Raises ``ValueError`` for an id that is there twice."""
    cases: list[Case] = []
    for kind in Kind:
        cases += import_module(f"holdfast_attack.cases.{kind}").CASES
        cases.append(aftermath(kind))
    ids = [case.id for case in cases]
    if len(set(ids)) < len(ids):
        raise ValueError(f"ids that are there twice: {sorted({name for name in ids if ids.count(name) > 1})}")
    return tuple(cases)


def case_of(name: str) -> Case:
    """The case with an id. Raises ``ConfigurationError``."""
    for case in all_cases():
        if case.id == name:
            return case
    raise ConfigurationError(f"there is no case {name!r}; --list shows them all")
