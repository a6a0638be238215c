"""What all guarded argument types share: strict construction by pydantic, sealing, and closing with the call."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

from pydantic_core import PydanticCustomError, core_schema

from holdfast.errors import Refusal

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler

    from holdfast.safe.sandbox import Sandbox


class Scope(Protocol):
    """Whatever outlives a handle's use by as much as one call: it closes what was opened in it."""

    def own(self, close: Callable[[], None]) -> Callable[[], None]:
        """Close with the call; the returned function closes at once and forgets (both are idempotent)."""
        ...


current_scope: ContextVar[Scope | None] = ContextVar("holdfast_scope", default=None)
"""The call that the running code belongs to; handles register what they open with it."""


def own(close: Callable[[], None]) -> Callable[[], None]:
    """Register ``close`` with the current call, if there is one; returns what closes it early."""
    scope = current_scope.get()
    return close if scope is None else scope.own(close)


class Handle:
    """Base of the guarded argument types.

    The validated value *is* the guard. Subclasses implement ``from_text``: purely lexical checks, no I/O, raising a
    ``Refusal`` when the text is unacceptable. ``sandbox`` is what the server allows (a root, a URL policy, ...).
    A handle is small, picklable, and equal and hashable by ``text`` (the normalised form of what was sent).
    """

    __slots__ = ("_sandbox", "text")

    needs: ClassVar[str | None] = None
    """The name of the ``Sandbox`` field without which a server that takes this argument must not start."""
    describe: ClassVar[str] = "text"
    """What the argument takes, for the JSON schema's description and for error messages."""
    json_format: ClassVar[str | None] = None
    max_text: ClassVar[int] = 4096
    """Longest accepted text in characters (PATH_MAX on Linux; URLs and statements set their own)."""

    def __init__(self, text: str, sandbox: Sandbox | None) -> None:
        self.text = text
        self._sandbox = sandbox

    @classmethod
    def from_text(cls, text: str, sandbox: Sandbox | None) -> Self:
        """Check ``text`` lexically and return the sealed handle. Raises ``Refusal``."""
        return cls(text, sandbox)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.text == self.text

    def __hash__(self) -> int:
        return hash((type(self).__name__, self.text))

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self).from_text, (self.text, self._sandbox))

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        from_text = core_schema.with_info_plain_validator_function(
            cls._validate, serialization=core_schema.plain_serializer_function_ser_schema(lambda h: h.text)
        )
        return from_text

    @classmethod
    def _validate(cls, value: Any, info: core_schema.ValidationInfo) -> Self:
        if type(value) is cls:
            return value
        if not isinstance(value, str):
            raise PydanticCustomError("handle_type", "takes {what}", {"what": cls.describe})
        if len(value) > cls.max_text:
            raise PydanticCustomError("handle_length", "takes at most {n} characters", {"n": cls.max_text})
        try:
            return cls.from_text(value, info.context)
        except Refusal as refusal:
            raise PydanticCustomError(
                "handle_refused", "{why}", {"why": refusal.message, "code": refusal.code}
            ) from None

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        out: dict[str, Any] = {"type": "string", "description": cls.describe, "maxLength": cls.max_text}
        if cls.json_format is not None:
            out["format"] = cls.json_format
        return out
