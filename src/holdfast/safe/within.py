"""Binds a path argument to one of the named roots in place of the workspace."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from pydantic_core import core_schema

from holdfast.errors import ConfigurationError
from holdfast.safe.names import MAX_TEXT
from holdfast.safe.relative import PathHandle

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler

    from holdfast.safe.sandbox import Sandbox

PREFIX = "root:"
"""How the need of a named root is written: ``root:docs``."""


@dataclass(frozen=True, slots=True)
class Within:
    """The root that a path is in: ``Annotated[ReadPath, Within("docs")]``, for a root of ``HOLDFAST_ROOTS``.

    It stands directly around a path type, also in ``list[...]`` or beside ``| None``. A server without that root does
    not start. Raises ``ConfigurationError`` around anything else.
    """

    name: str

    @property
    def need(self) -> str:
        """What ``core.needs`` collects."""
        return PREFIX + self.name

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        if not (isinstance(source, type) and issubclass(source, PathHandle)):
            raise ConfigurationError("Within stands directly around a path: Annotated[ReadPath, Within(...)] | None")
        return core_schema.with_info_plain_validator_function(
            partial(self._validated, source._validate),
            serialization=core_schema.plain_serializer_function_ser_schema(lambda handle: handle.text),
        )

    def _validated(self, validate: Callable[[Any, Any], PathHandle], value: Any, info: Any) -> PathHandle:
        return validate(value, _Bound(None if info.context is None else info.context.within(self.name)))

    def __get_pydantic_json_schema__(self, schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        what = f'path relative to the folder "{self.name}", with / between directories'
        return {"type": "string", "description": what, "maxLength": MAX_TEXT}


@dataclass(frozen=True, slots=True)
class _Bound:
    """What a handle's validator reads of pydantic's validation info."""

    context: Sandbox | None
