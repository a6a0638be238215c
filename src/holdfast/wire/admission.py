"""Who may come in over HTTP: headers that are beyond doubt, and exact Host and Origin lists."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from holdfast.core.principal import ANONYMOUS, Principal
from holdfast.wire.httpanswers import CLOSE, Refused
from holdfast.wire.httpheaders import HANDSHAKE_VERSIONS, Plain, plain

if TYPE_CHECKING:
    from holdfast.access.authentication import Credential
    from holdfast.core.config import Settings
    from holdfast.wire.doorkeeper import Doorkeeper

Pairs = list[tuple[bytes, bytes]]
Headers = dict[bytes, bytes]
VERSION, SESSION = b"mcp-protocol-version", b"mcp-session-id"
_DECISIVE = frozenset(
    (b"host", b"origin", b"authorization", b"content-type", b"content-length", b"transfer-encoding", SESSION)
)
_READ = _DECISIVE | {VERSION, b"transfer-encoding", b"sec-fetch-site"}
_FROM_HERE = frozenset((b"none", b"same-origin"))
"""A browser's own word for whose page asks (W3C, Fetch Metadata): the user, or a page of this server."""
_SECRET = frozenset((b"authorization", b"proxy-authorization", b"cookie", SESSION))
_UNSAID = b"2025-03-26"
"""The version of a request that names none (MCP 2025-11-25, transports)."""
MAX_USERS: Final = 1_024
"""Principals that are remembered in the SDK's form: an issuer may have any number."""
KEPT: Final = 256
"""Header lists whose verdict is kept: 256 clients that stay, in at most some 3 MB with the bounds below."""
_KEPT_BYTES: Final = 2_048
_KEPT_HEADERS: Final = 32


@dataclass(frozen=True, slots=True)
class Admitted:
    """A request whose headers are beyond doubt: what follows from them, and from nothing else."""

    pairs: Pairs
    """All headers, without the whitespace around values."""
    principal: Principal
    session: bytes | None
    length: int
    """Bytes announced of the body, or 0."""
    leaves: bool
    """Whether a client that leaves ends its call: from 2026-07-28 on."""
    plain: Plain | None
    """What the answer without the SDK needs of them."""
    authorization: bytes = b""
    """What was brought along to say who it is."""
    credential: Credential | None = None


class Admission:
    """The lists of one server, and the doorkeeper where tokens are asked for."""

    def __init__(self, settings: Settings, hosts: frozenset[str], doorkeeper: Doorkeeper | None = None) -> None:
        names = {name.lower() for name in (*hosts, *settings.http.allowed_hosts)}
        own = {f"{scheme}://{name}" for name in names for scheme in ("http", "https")}
        origins = own | {name.lower() for name in settings.http.allowed_origins}
        self._hosts = frozenset(name.encode() for name in names)
        self._origins = frozenset(name.encode() for name in origins)
        self._doorkeeper = doorkeeper
        self._users: dict[Principal, Any] = {}  # bounded by ``MAX_USERS``
        self._json = settings.http.json_response
        self._known: dict[tuple[tuple[bytes, bytes], ...], Admitted] = {}  # bounded by ``KEPT``
        self.by_token = doorkeeper is not None

    def admit(self, sent: Pairs, *, is_open: bool = False, peer: str = "") -> Admitted:
        """Judge a request by its headers; on a path that is open to all no token is asked for. Raises ``Refused``, or
        ``Unready`` when the token cannot be judged without waiting.

        A client that stays sends the same list again and again. Where no tokens are asked for, the verdict follows from
        the list alone, and is kept for lists that passed, are small and hold no secret.
        """
        key = tuple(sent) if self._doorkeeper is None else ()
        known = self._known.get(key)
        if known is not None:
            return known
        # RFC 9110, section 5.5: whitespace around a value is not part of it, but httptools leaves it at the end
        pairs = [(name, value.strip(b" \t")) for name, value in sent]
        headers = decisive(pairs)
        self.check_names(headers)
        sent_token = headers.get(b"authorization", b"")
        credential = None if is_open or self._doorkeeper is None else self._doorkeeper.admit(sent_token, peer)
        length = headers.get(b"content-length", b"")
        admitted = Admitted(
            pairs,
            ANONYMOUS if credential is None else credential.principal,
            headers.get(SESSION),
            int(length[:20]) if length.isdigit() else 0,
            headers.get(VERSION, _UNSAID) not in HANDSHAKE_VERSIONS,
            plain(pairs, json_only=self._json),
            sent_token,
            credential,
        )
        if key and _can_be_kept(key):
            if len(self._known) >= KEPT:
                self._known.clear()
            self._known[key] = admitted
        return admitted

    def check_names(self, headers: Headers) -> None:
        """Refuse what is not on the exact Host and Origin lists, against DNS rebinding (CVE-2025-66416)."""
        if headers.get(b"host", b"").lower() not in self._hosts:
            raise Refused(403, "this Host is not served; set HOLDFAST_HTTP__ALLOWED_HOSTS to add it")
        origin = headers.get(b"origin")
        if origin is not None and origin.lower() not in self._origins:
            raise Refused(403, "this Origin is not allowed; set HOLDFAST_HTTP__ALLOWED_ORIGINS to add it")
        if origin is None and headers.get(b"sec-fetch-site", b"none") not in _FROM_HERE:
            # a browser leaves the Origin out of a plain GET, but tells that another site's page has asked
            raise Refused(403, "pages of other sites are not answered")

    def user(self, principal: Principal) -> Any:
        """The principal as the SDK knows users; the same object each time, as nothing about it changes."""
        user = self._users.get(principal)
        if user is None:
            if len(self._users) >= MAX_USERS:
                self._users.clear()
            user = self._users[principal] = sdk_user(principal)
        return user


def _can_be_kept(sent: tuple[tuple[bytes, bytes], ...]) -> bool:
    size = sum(len(name) + len(value) for name, value in sent)
    return len(sent) <= _KEPT_HEADERS and size <= _KEPT_BYTES and not any(name in _SECRET for name, _ in sent)


def decisive(pairs: Pairs) -> Headers:
    """The headers that decide anything. Two of one are refused: each side might believe another one."""
    found: Headers = {}
    for name, value in pairs:
        if name in _READ:
            if name in found and name in _DECISIVE:
                raise Refused(400, f"the header {name.decode()} was sent more than once")
            found.setdefault(name, value)
    if found.get(b"transfer-encoding", b"chunked").lower() != b"chunked":  # RFC 9112, section 6.1
        raise Refused(400, "a request body is sent as it is, or chunked once", (CLOSE,))
    if b"content-length" in found and b"transfer-encoding" in found:  # RFC 9112, section 6.1: an attempt at smuggling
        raise Refused(400, "a request has a content-length or a transfer-encoding, not both", (CLOSE,))
    return found


def sdk_user(principal: Principal) -> Any:
    """The principal as the SDK knows users, so that it binds sessions and request state to them."""
    from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
    from mcp.server.auth.provider import AccessToken

    known = {"token": principal.name, "client_id": principal.name, "scopes": sorted(principal.scopes)}
    return AuthenticatedUser(AccessToken.model_validate(known))
