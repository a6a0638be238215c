"""Gives an operation of a mounted server its name on the parent."""

from __future__ import annotations

import copy
import re

from holdfast.core.completion import Completion
from holdfast.core.operation import Operation
from holdfast.core.resource import Resource
from holdfast.core.tool import Tool
from holdfast.errors import ConfigurationError

_NAMESPACE = re.compile(r"[a-zA-Z0-9-]{1,32}", re.ASCII)


def mounted(operation: Operation, namespace: str) -> Operation:
    """A copy under ``namespace_name``, or ``scheme://namespace/rest`` for a resource. Raises ``ConfigurationError``."""
    if _NAMESPACE.fullmatch(namespace) is None:
        raise ConfigurationError("a namespace has 1 to 32 letters, digits or hyphens")
    if isinstance(operation, Resource):
        return operation.moved(_uri(operation.uri, namespace))
    twin = copy.copy(operation)
    if isinstance(operation, Completion):
        owner, _, argument = operation.name.rpartition(" ")
        is_template = "://" in owner or "{" in owner  # only templates and prompts have completions
        twin.name = f"{_uri(owner, namespace) if is_template else f'{namespace}_{owner}'} {argument}"
    else:
        twin.name = f"{namespace}_{operation.name}"
    if isinstance(twin, Tool):
        twin.check_name()
    return twin


def _uri(uri: str, namespace: str) -> str:
    scheme, separator, rest = uri.partition("://")
    return f"{scheme}://{namespace}/{rest}" if separator else f"{namespace}:{uri}"
