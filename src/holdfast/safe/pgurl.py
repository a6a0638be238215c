"""Where a PostgreSQL database is: a URL as asyncpg's arguments, with TLS unless it says no."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from holdfast.errors import ConfigurationError
from holdfast.safe.databases import POSTGRES_SCHEMES

_OPTIONS: Final = frozenset({"sslmode", "sslrootcert", "sslcert", "sslkey", "host"})
_MODES: Final = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
"""libpq's (postgresql.org/docs/16/libpq-ssl.html); the first four do not prove who answers."""
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class Place:
    """One database on one server. Its ``repr`` shows nothing of it."""

    host: str = field(repr=False)
    port: int = field(repr=False)
    user: str = field(repr=False)
    password: str = field(repr=False)
    database: str = field(repr=False)
    tls: Mapping[str, str] = field(repr=False)
    """``sslmode`` and the files of certificates."""

    @classmethod
    def of(cls, url: str) -> Place:
        """Read ``postgresql://user:password@host:port/database?sslmode=...``. Raises ``ConfigurationError``.

        ``?host=/folder`` names the folder of a Unix socket. Without ``sslmode`` it is ``verify-full``, and ``disable``
        on this machine. Nothing comes from the ``PG*`` variables or from a password file.
        """
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port or 5432
            options = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
        except ValueError:
            raise _wrong("cannot be read as a URL") from None
        given = dict(options)
        if len(given) != len(options) or not given.keys() <= _OPTIONS or parts.fragment:
            raise _wrong(f"takes the options {', '.join(sorted(_OPTIONS))}, each once")
        host, user, database = given.pop("host", host), unquote(parts.username or ""), unquote(parts.path[1:])
        if parts.scheme not in POSTGRES_SCHEMES or not host or not user or not database or "/" in database:
            raise _wrong("must name a user, a host and a database")
        if "," in host or any("\x00" in part for part in (host, user, database)):
            raise _wrong("must name one host")
        given.setdefault("sslmode", "disable" if _is_local(host) else "verify-full")
        if given["sslmode"] not in _MODES:
            raise _wrong(f"takes an sslmode of {', '.join(_MODES)}")
        return cls(host, port, user, unquote(parts.password or ""), database, given)

    @property
    def unproven(self) -> bool:
        """Whether the connection leaves this machine without a proof of who answers."""
        return not _is_local(self.host) and self.tls["sslmode"] not in _MODES[4:]

    def arguments(self) -> dict[str, Any]:
        """What ``asyncpg.connect`` takes; each is given, so that it looks nothing up in the environment."""
        return {
            "host": self.host,
            "port": self.port,
            "user": self.user,
            "password": self.password,
            "database": self.database,
            "ssl": self._ssl(),
            "direct_tls": False,
            "target_session_attrs": "any",
        }

    def _ssl(self) -> ssl.SSLContext | str | bool:
        mode = self.tls["sslmode"]
        if mode == "disable" or self.host.startswith("/"):
            return False
        if mode in ("allow", "prefer"):
            return "prefer"
        try:
            context = ssl.create_default_context(cafile=self.tls.get("sslrootcert"))
            if "sslcert" in self.tls:
                context.load_cert_chain(self.tls["sslcert"], self.tls.get("sslkey"))
        except (OSError, ValueError):  # SSLError is an OSError
            raise _wrong("names certificates that cannot be read") from None
        context.check_hostname = mode == "verify-full"
        if mode == "require" and "sslrootcert" not in self.tls:
            context.verify_mode = ssl.CERT_NONE
        return context


def _is_local(host: str) -> bool:
    return host.startswith("/") or host in _LOOPBACK


def _wrong(what: str) -> ConfigurationError:
    return ConfigurationError(f"HOLDFAST_DATABASE: the PostgreSQL URL {what}")
