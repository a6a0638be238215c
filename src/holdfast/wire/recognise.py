"""Which messages are so plain that they can be answered without the SDK; whatever is unusual in any way is not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from holdfast.core.pipeline import META

MODERN: Final = "2026-07-28"
HANDSHAKE: Final = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
"""Versions with a handshake; whoever asks for another one is offered the last of these (MCP 2025-11-25, lifecycle)."""
LEVELS: Final = ("debug", "info", "notice", "warning", "error", "critical", "alert", "emergency")

_PREFIX: Final = "io.modelcontextprotocol/"
_VERSION: Final = f"{_PREFIX}protocolVersion"
_CAPABILITIES: Final = f"{_PREFIX}clientCapabilities"
_CLIENT: Final = f"{_PREFIX}clientInfo"
_LEVEL: Final = f"{_PREFIX}logLevel"
_TOKEN: Final = "progressToken"  # nosec B105 - the name of a field  # noqa: S105 - the same
KEY: Final = f"{META}idempotencyKey"
"""Where a client says that this is the same call as before."""
_ENVELOPE: Final = frozenset({_VERSION, _CAPABILITIES, _CLIENT, _LEVEL, _TOKEN, KEY})
_OURS: Final = frozenset({_TOKEN, KEY})
_CALL: Final = frozenset({"name", "arguments", "_meta"})
_META_ONLY: Final = frozenset({"_meta"})
_OPENING: Final = frozenset({"protocolVersion", "capabilities", "clientInfo"})
_INFO: Final = frozenset({"name", "version", "title"})


class Envelope(NamedTuple):
    """What a request says of its sender besides what it wants."""

    capabilities: Mapping[str, Any] | None = None
    """What the client declared with this request (2026-07-28); ``None`` where the handshake has said it."""
    progress: int | str | None = None
    level: str | None = None
    """The least level of log messages that the client wants with this request (2026-07-28)."""
    key: object = None
    """The idempotency key, unchecked."""


_SILENT: Final = Envelope()


def opening(params: Any) -> bool:
    """Whether these are plain parameters of ``initialize``."""
    return (
        isinstance(params, dict)
        and params.keys() == _OPENING
        and isinstance(params["protocolVersion"], str)
        and _plain_capabilities(params["capabilities"])
        and _plain_info(params["clientInfo"])
    )


def handshake_envelope(params: Mapping[str, Any] | None) -> Envelope | None:
    """The envelope of a request on a connection that began with a handshake; ``None`` when it is unusual."""
    if not params or "_meta" not in params:
        return _SILENT
    meta = params["_meta"]
    if not isinstance(meta, dict) or not meta.keys() <= _OURS:
        return None
    return _with_token(None, meta, None)


def modern_envelope(params: Mapping[str, Any] | None) -> Envelope | None:
    """The envelope that each request of 2026-07-28 carries; ``None`` when it is unusual."""
    meta = params.get("_meta") if params else None
    if not isinstance(meta, dict) or meta.get(_VERSION) != MODERN or not meta.keys() <= _ENVELOPE:
        return None
    capabilities, level = meta.get(_CAPABILITIES), meta.get(_LEVEL)
    if not _plain_capabilities(capabilities) or (_CLIENT in meta and not _plain_info(meta[_CLIENT])):
        return None
    if _LEVEL in meta and level not in LEVELS:
        return None
    return _with_token(capabilities, meta, level)


class ModernEnvelopes:
    """Reads the envelopes of 2026-07-28; a client sends the same one with each request, and it is looked at once.

    What is remembered holds texts and empty objects alone, so nothing but the same is equal to it (1 equals true).
    """

    __slots__ = ("_envelope", "_meta")

    def __init__(self) -> None:
        self._meta: Mapping[str, Any] | None = None
        self._envelope: Envelope | None = None

    def read(self, params: Mapping[str, Any] | None) -> Envelope | None:
        """See ``modern_envelope``."""
        meta = params.get("_meta") if params else None
        if meta is not None and meta == self._meta:
            return self._envelope
        envelope = modern_envelope(params)
        if (
            envelope is not None
            and envelope.progress is envelope.key is None
            and not any((envelope.capabilities or {}).values())
        ):
            client = meta.get(_CLIENT, {}) if meta is not None else {}
            if sum(map(len, client.values())) <= MAX_REMEMBERED:
                self._meta, self._envelope = meta, envelope
        return envelope


MAX_REMEMBERED: Final = 1_024
"""Characters that a client may have to say of itself, to be remembered."""


def _with_token(capabilities: Any, meta: Mapping[str, Any], level: str | None) -> Envelope | None:
    if _TOKEN not in meta:
        return Envelope(capabilities, None, level, meta.get(KEY))
    token = meta[_TOKEN]
    return Envelope(capabilities, token, level, meta.get(KEY)) if type(token) in (int, str) else None


def bare(params: Mapping[str, Any] | None) -> bool:
    """Whether a request has no parameters of its own."""
    return not params or params.keys() <= _META_ONLY


def call_of(params: Mapping[str, Any] | None) -> tuple[str, Mapping[str, Any]] | None:
    """Name and arguments of a plain ``tools/call``."""
    if not params or not params.keys() <= _CALL:
        return None
    name, arguments = params.get("name"), params.get("arguments", {})
    return (name, arguments) if isinstance(name, str) and isinstance(arguments, dict) else None


def _plain_info(info: Any) -> bool:
    return (
        isinstance(info, dict)
        and info.keys() <= _INFO
        and "name" in info
        and "version" in info
        and all(isinstance(value, str) for value in info.values())
    )


_KNOWN: Final[Mapping[str, frozenset[str]]] = {
    "elicitation": frozenset({"form", "url"}),
    "sampling": frozenset({"context", "tools"}),
    "experimental": frozenset(),
    "extensions": frozenset(),
}


def _plain_capabilities(capabilities: Any) -> bool:
    if not isinstance(capabilities, dict):
        return False
    for name, value in capabilities.items():
        if not isinstance(value, dict):
            return False
        if name == "roots":
            if value.keys() - {"listChanged"} or not isinstance(value.get("listChanged", True), bool):
                return False
        elif name not in _KNOWN or not value.keys() <= _KNOWN[name] or any(inner != {} for inner in value.values()):
            return False
    return True


def offers(capabilities: Mapping[str, Any], wanted: str) -> bool:
    """Whether plain capabilities hold ``elicitation`` (forms), ``elicitation.url``, ``sampling``, ``roots``, ..."""
    node: Any = capabilities
    for part in wanted.split("."):
        node = node.get(part) if isinstance(node, dict) else None
    if wanted == "elicitation" and node is not None:  # nothing in it means forms (MCP 2025-11-25, elicitation)
        return "form" in node or "url" not in node
    return node is not None
