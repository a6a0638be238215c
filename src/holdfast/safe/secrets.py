"""Secrets: the registry that redacts those of this server wherever they leave it, and the type that hides one."""

from __future__ import annotations

import hashlib
import hmac
import re
import threading
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final, Self

from holdfast.errors import ConfigurationError, InvalidArguments
from holdfast.safe import patterns
from holdfast.safe.handle import Handle
from holdfast.safe.learned import Learned
from holdfast.safe.redaction import Redacted, Redaction
from holdfast.safe.rules import RULES
from holdfast.safe.search import Search, build, library

if TYPE_CHECKING:
    from pydantic import GetJsonSchemaHandler

    from holdfast.safe.patterns import Rule
    from holdfast.safe.sandbox import Sandbox

__all__ = ["Redacted", "SecretRegistry", "SecretValue", "require"]

MAX_VALUES: Final = 1_000
MIN_LENGTH: Final = 6
MAX_LENGTH: Final = 64 << 10  # characters; a PEM bundle fits
WHILE: Final = 600.0
"""Seconds that a secret which came as an argument stays redacted: longer than any call and its retries."""

_TOO_MANY: Final = f"more than {MAX_VALUES} secrets; remove those no longer used, and keep API keys hashed"
_NAME: Final = re.compile(r"[\w.:-]{1,64}", re.ASCII)


class SecretRegistry:
    """Knows this server's own secrets by value and others by their form; takes both out of text.

    Values are found in the forms that ``encodings`` lists, also when split by invisible characters or wrapped into
    lines. ``personal=True`` adds personal data. At most 1,000 values, and 512 that calls have learned. Safe to use
    from several threads; cannot be pickled, so that it cannot travel.
    """

    def __init__(self, *, personal: bool = False, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._personal = _personal() if personal else ()
        self._values: dict[str, tuple[str, float | None]] = {}
        self._learned = Learned()
        self._kept: dict[str, Search] = {}  # by name; bounded by ``MAX_VALUES`` in all
        self._held: dict[str, set[str]] = {}
        self._lock = threading.Lock()
        self._lasting: Search | None = None
        self._redaction: Redaction | None = None
        self._expiry: float | None = None
        self.version = 0
        """Grows whenever the values change: what was found clean before may not be any more."""

    def __len__(self) -> int:
        return len(self._values) + len(self._learned) + sum(map(len, self._held.values()))

    def __repr__(self) -> str:
        return f"<SecretRegistry of {len(self)}>"

    def __reduce__(self) -> Any:
        raise TypeError("a registry of secrets does not leave its process")

    def add(self, value: str, name: str, *, expires_in: float | None = None) -> None:
        """Redact ``value`` as ``[redacted:name]`` from now on, or for ``expires_in`` seconds.

        Raises ``ConfigurationError``: fewer than 6 or more than 65,536 characters, a name that is not plain or that
        holds the value, or more than 1,000 values.
        """
        value = _checked(value, name)
        with self._lock:
            self._purge()
            if value not in self._values and len(self._values) + sum(map(len, self._held.values())) >= MAX_VALUES:
                raise ConfigurationError(_TOO_MANY)
            until = None if expires_in is None else self._now() + expires_in
            if value in self._values and until is not None:  # a call that learns a lasting secret does not end it
                until = _later(self._values[value][1], until)
            self._values[value] = (name, until)
            self._lasting = None
            self._changed()

    def learn(self, value: str, name: str = "argument", *, lasts: float = WHILE) -> None:
        """Redact a secret that a call has learned, for ``lasts`` seconds (ten minutes) at least.

        Cheaper than ``add`` with an expiry, because the lasting values are not prepared again; when there are more
        than 512, the oldest are forgotten. Raises ``ConfigurationError`` as ``add`` does for a value or a name.
        """
        value = _checked(value, name)
        with self._lock:
            self._purge()
            if value in self._values and self._values[value][1] is None:
                return
            if self._learned.add(value, name, self._now() + lasts):
                self._changed()

    def keep(self, name: str, values: Iterable[str]) -> None:
        """Redact these under ``name``, in place of those that were kept under it before; they go after ten minutes.

        For values that change while the server runs: they are prepared in the calling thread, and no other one waits.
        Raises ``ConfigurationError`` as ``add`` does, and then keeps what it had.
        """
        wanted = {_checked(value, name) for value in values}
        with self._lock:
            self._admit(name, len(wanted))
        search = build(((value, name) for value in sorted(wanted)), ())
        search.prepare()
        with self._lock:
            self._admit(name, len(wanted))
            gone = self._held.get(name, set()) - wanted
            self._kept[name], self._held[name] = search, wanted
            for value in gone:  # a key that was taken back here may be good elsewhere for a moment
                self._learned.add(value, name, self._now() + WHILE)
            self._changed()

    def _admit(self, name: str, count: int) -> None:
        others = sum(len(held) for other, held in self._held.items() if other != name)
        if len(self._values) + others + count > MAX_VALUES:
            raise ConfigurationError(_TOO_MANY)

    def remove(self, value: str) -> None:
        """Forget ``value``; not knowing it is fine."""
        with self._lock:
            value = value.strip()
            self._learned.remove(value)
            if self._values.pop(value, None) is not None:
                self._lasting = None
            self._changed()

    def redact(self, text: str) -> Redacted:
        """``text`` with every secret replaced by ``[redacted:<rule>]``. Linear in time, and idempotent."""
        return self.current().redact(text)

    def quiet(self, raw: bytes) -> bool:
        """Whether no string in this JSON (of ``pydantic_core.to_json``) is one that cleaning or redaction may alter.

        ``False`` says nothing: then each string has to be looked at. One pass, linear in time.
        """
        return self.current().quiet(raw)

    def current(self) -> Redaction:
        """What is looked for at this moment."""
        redaction, expiry = self._redaction, self._expiry
        if redaction is not None and (expiry is None or self._now() < expiry):
            return redaction
        with self._lock:
            self._purge()
            if self._lasting is None:
                self._lasting = build(((value, name) for value, (name, _) in self._values.items()), RULES)
            self._redaction = Redaction((self._lasting, *self._kept.values(), *self._learned.searches), self._personal)
            return self._redaction

    def _purge(self) -> None:
        if self._expiry is not None and self._now() >= self._expiry:
            now, before = self._now(), len(self._values)
            self._values = {v: (n, until) for v, (n, until) in self._values.items() if until is None or until > now}
            self._learned.purge(now)
            if len(self._values) != before:
                self._lasting = None
            self._changed()

    def _changed(self) -> None:
        self._redaction = None
        self.version += 1
        ends = [until for _, until in self._values.values() if until is not None]
        if (end := self._learned.expiry) is not None:
            ends.append(end)
        self._expiry = min(ends, default=None)


def _later(one: float | None, two: float) -> float | None:
    return None if one is None else max(one, two)


def _checked(value: str, name: str) -> str:
    value = value.strip()
    if not MIN_LENGTH <= len(value) <= MAX_LENGTH:
        raise ConfigurationError(f"a secret must have {MIN_LENGTH} to {MAX_LENGTH} characters to be redacted")
    if not _NAME.fullmatch(name) or value in name:
        raise ConfigurationError("a secret's name is 1 to 64 letters, digits, dots, colons or dashes")
    return value


def _personal() -> tuple[Rule, ...]:
    from holdfast.safe.personal import PERSONAL  # here: most servers do not ask for it

    return PERSONAL


def require() -> None:
    """Say at build time that text can be redacted. Raises ``ConfigurationError``."""
    patterns.require()
    library()


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
        """Seal a value of any form, and have it redacted from now on. Raises ``InvalidArguments`` when it is empty."""
        if not text:
            raise InvalidArguments("a secret must not be empty")
        learn = None if sandbox is None else sandbox.learn
        if learn is not None and MIN_LENGTH <= len(text.strip()) <= MAX_LENGTH:
            learn(text)
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
