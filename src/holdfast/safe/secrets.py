"""Secrets: the registry that redacts those of this server wherever they leave it, and the type that hides one."""

from __future__ import annotations

import hashlib
import hmac
import re
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Self

from holdfast.errors import ConfigurationError, InvalidArguments
from holdfast.safe import patterns
from holdfast.safe.handle import Handle
from holdfast.safe.patterns import PERSONAL
from holdfast.safe.redaction import Redacted, Search, build, redact

if TYPE_CHECKING:
    from pydantic import GetJsonSchemaHandler

    from holdfast.safe.sandbox import Sandbox

__all__ = ["Redacted", "SecretRegistry", "SecretValue", "require"]

MAX_VALUES: Final = 1_000
MIN_LENGTH: Final = 6
MAX_LENGTH: Final = 64 << 10  # characters; a PEM bundle fits

_NAME: Final = re.compile(r"[\w.:-]{1,64}", re.ASCII)


class SecretRegistry:
    """Knows this server's own secrets by value and others by their form; takes both out of text.

    Values are found plain, reversed, hex, percent-encoded, JSON-escaped and in base64 at each offset, also when split
    by invisible characters. ``personal=True`` adds e-mail addresses, card and account numbers and telephone numbers.
    At most 1,000 values. Safe to use from several threads; cannot be pickled, so that it cannot travel.
    """

    def __init__(self, *, personal: bool = False, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._personal = PERSONAL if personal else ()
        self._values: dict[str, tuple[str, float | None]] = {}
        self._lock = threading.Lock()
        self._search: Search | None = None
        self._expiry: float | None = None
        self.version = 0
        """Grows whenever the values change: what was found clean before may not be any more."""

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"<SecretRegistry of {len(self)}>"

    def __reduce__(self) -> Any:
        raise TypeError("a registry of secrets does not leave its process")

    def add(self, value: str, name: str, *, expires_in: float | None = None) -> None:
        """Redact ``value`` as ``[redacted:name]`` from now on, or for ``expires_in`` seconds.

        Raises ``ConfigurationError``: fewer than 6 or more than 65,536 characters, a name that is not plain or that
        holds the value, or more than 1,000 values.
        """
        value = value.strip()
        if not MIN_LENGTH <= len(value) <= MAX_LENGTH:
            raise ConfigurationError(f"a secret must have {MIN_LENGTH} to {MAX_LENGTH} characters to be redacted")
        if not _NAME.fullmatch(name) or value in name:
            raise ConfigurationError("a secret's name is 1 to 64 letters, digits, dots, colons or dashes")
        with self._lock:
            self._purge()
            if value not in self._values and len(self._values) >= MAX_VALUES:
                raise ConfigurationError(f"more than {MAX_VALUES} secrets; remove those no longer used")
            self._values[value] = (name, None if expires_in is None else self._now() + expires_in)
            self._changed()

    def remove(self, value: str) -> None:
        """Forget ``value``; not knowing it is fine."""
        with self._lock:
            if self._values.pop(value.strip(), None) is not None:
                self._changed()

    def redact(self, text: str) -> Redacted:
        """``text`` with every secret replaced by ``[redacted:<rule>]``. Linear in time."""
        return redact(self._current(), self._personal, text)

    def quiet(self, raw: bytes) -> bool:
        """Whether no string in this JSON (of ``pydantic_core.to_json``) is one that cleaning or redaction may alter.

        ``False`` says nothing: then each string has to be looked at. One pass, linear in time.
        """
        return not self._personal and self._current().quiet(raw)

    def _current(self) -> Search:
        search, expiry = self._search, self._expiry
        if search is not None and (expiry is None or self._now() < expiry):
            return search
        with self._lock:
            self._purge()
            if self._search is None:
                self._search = build((value, name) for value, (name, _) in self._values.items())
            return self._search

    def _purge(self) -> None:
        if self._expiry is not None and self._now() >= self._expiry:
            now = self._now()
            self._values = {v: (n, until) for v, (n, until) in self._values.items() if until is None or until > now}
            self._changed()

    def _changed(self) -> None:
        self._search = None
        self.version += 1
        self._expiry = min((until for _, until in self._values.values() if until is not None), default=None)


def require() -> None:
    """Say at build time that text can be redacted. Raises ``ConfigurationError``."""
    patterns.require()
    build([])


class SecretValue(Handle):
    """An argument that is a secret: it prints, serialises and logs as ``[secret]``; ``reveal()`` gives the value.

    Equal and hashable by value. Its JSON does not tell two secrets apart, so a cache must key on the handle itself or
    on ``fingerprint``.
    """

    __slots__ = ("_value",)

    describe = "a secret; it is never shown or logged"
    json_format = "password"

    def __init__(self, value: str, sandbox: Sandbox | None) -> None:
        super().__init__("[secret]", sandbox)
        self._value = value

    @classmethod
    def from_text(cls, text: str, sandbox: Sandbox | None) -> Self:
        """Seal a value of any form. Raises ``InvalidArguments`` when it is empty."""
        if not text:
            raise InvalidArguments("a secret must not be empty")
        return cls(text, sandbox)

    def reveal(self) -> str:
        """The value; the caller of this method is responsible for where it goes."""
        return self._value

    @property
    def fingerprint(self) -> str:
        """128 bits that tell values apart, for keys in memory; never for logs: a short secret can be guessed."""
        return hashlib.blake2b(self._value.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SecretValue) and hmac.compare_digest(self.fingerprint, other.fingerprint)

    def __hash__(self) -> int:
        return hash((SecretValue, self.fingerprint))

    def __str__(self) -> str:
        return self.text

    __repr__ = __str__

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self).from_text, (self._value, self._sandbox))

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {**super().__get_pydantic_json_schema__(schema, handler), "writeOnly": True}
