"""Who may come in over HTTP: headers that are beyond doubt, exact Host and Origin lists, and bearer tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from holdfast.access.tokens import TokenTable
from holdfast.core.principal import ANONYMOUS, Principal

if TYPE_CHECKING:
    from holdfast.core.config import Settings

Headers = dict[bytes, bytes]
VERSION, SESSION = b"mcp-protocol-version", b"mcp-session-id"
CLOSE = (b"connection", b"close")
_DECISIVE = frozenset((b"host", b"origin", b"authorization", b"content-type", b"content-length", SESSION))
_READ = _DECISIVE | {VERSION, b"transfer-encoding"}


class Refused(Exception):
    """A request that ends here, with its HTTP status."""

    def __init__(self, status: int, body: dict[str, Any] | str, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
        super().__init__(status)
        self.status = status
        self.body = body
        self.headers = headers


class Admission:
    """The lists and the tokens of one server."""

    def __init__(self, settings: Settings, hosts: frozenset[str]) -> None:
        names = {name.lower() for name in (*hosts, *settings.http.allowed_hosts)}
        own = {f"{scheme}://{name}" for name in names for scheme in ("http", "https")}
        origins = own | {name.lower() for name in settings.http.allowed_origins}
        self._hosts = frozenset(name.encode() for name in names)
        self._origins = frozenset(name.encode() for name in origins)
        auth = settings.auth
        wanted = auth.required if auth.required is not None else auth.tokens is not None
        self._tokens = TokenTable(auth.tokens.get_secret_value()) if wanted and auth.tokens is not None else None
        self._users: dict[Principal, Any] = {}  # bounded by the tokens
        self.by_token = self._tokens is not None

    def check_names(self, headers: Headers) -> None:
        """Refuse what is not on the exact Host and Origin lists, against DNS rebinding (CVE-2025-66416)."""
        if headers.get(b"host", b"").lower() not in self._hosts:
            raise Refused(403, "this Host is not served; set HOLDFAST_HTTP__ALLOWED_HOSTS to add it")
        origin = headers.get(b"origin")
        if origin is not None and origin.lower() not in self._origins:
            raise Refused(403, "this Origin is not allowed; set HOLDFAST_HTTP__ALLOWED_ORIGINS to add it")

    def principal(self, headers: Headers) -> Principal:
        """Whose token it is. Raises ``Refused`` when it is nobody's, and one is asked for."""
        if self._tokens is None:
            return ANONYMOUS
        scheme, _, token = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
        found = self._tokens.principal(token.strip()) if scheme.lower() == "bearer" and token.strip() else None
        if found is None:
            error = b'Bearer error="invalid_token"' if scheme else b"Bearer"
            raise Refused(401, "a valid bearer token is needed", ((b"www-authenticate", error),))
        return found

    def user(self, principal: Principal) -> Any:
        """The principal as the SDK knows users; the same object each time, as nothing about it changes."""
        user = self._users.get(principal)
        if user is None:
            user = self._users[principal] = sdk_user(principal)
        return user


def decisive(pairs: list[tuple[bytes, bytes]]) -> Headers:
    """The headers that decide anything. Two of one are refused: each side might believe another one."""
    found: Headers = {}
    for name, value in pairs:
        if name in _READ:
            if name in found and name in _DECISIVE:
                raise Refused(400, f"the header {name.decode()} was sent more than once")
            found.setdefault(name, value)
    if b"content-length" in found and b"transfer-encoding" in found:  # RFC 9112, section 6.1: an attempt at smuggling
        raise Refused(400, "a request has a content-length or a transfer-encoding, not both", (CLOSE,))
    return found


def sdk_user(principal: Principal) -> Any:
    """The principal as the SDK knows users, so that it binds sessions and request state to them."""
    from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
    from mcp.server.auth.provider import AccessToken

    known = {"token": principal.name, "client_id": principal.name, "scopes": sorted(principal.scopes)}
    return AuthenticatedUser(AccessToken.model_validate(known))
