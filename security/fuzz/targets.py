"""What is fuzzed: functions of bytes that end in silence, or with an ``AssertionError`` that is a finding.

Each target states a property of one guard, not only that it survives. A target takes any bytes; refusals of the guard
are answers, every other exception is a finding.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from typing import Any, Final

from holdfast.errors import HoldfastError, Refusal

Target = Callable[[bytes], None]


def _text(data: bytes) -> str:
    """Any text that Python can hold, lone surrogates included."""
    try:
        return data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return data.decode("utf-8", "replace")


def paths(data: bytes) -> None:
    """An accepted path has plain components only, stays beneath, and is its own normal form."""
    from holdfast.safe.names import RESERVED, Deny, fold, parse

    deny = Deny()
    try:
        parts = parse(_text(data), deny)
    except Refusal:
        return
    for part in parts:
        assert part not in ("", ".", "..")
        assert not set(part) & set("/\\:\0\n")
        assert not part.startswith(".")
        assert not fold(part).startswith((RESERVED, ".git"))
    assert parse("/".join(parts), deny) == parts


def urls(data: bytes) -> None:
    """What is accepted reads the same again, names no user, and an address in it is public."""
    from holdfast.safe.addresses import is_public
    from holdfast.safe.locations import MAX_URL, parse
    from holdfast.safe.policy import UrlPolicy

    policy = UrlPolicy()
    try:
        found = parse(data.decode("utf-8", "replace"), policy)
    except Refusal:
        return
    assert len(found.url) > MAX_URL or parse(found.url, policy) == found  # encoding makes it longer
    assert found.url.isascii()
    assert not set(found.url) & set(" \\\r\n\t\0#")
    if found.host.startswith("[") or found.host.replace(".", "").isdigit():
        assert is_public(found.name)


def sql(data: bytes) -> None:
    """An accepted statement is accepted again as it was written anew, and SQLite reads it with writes shut."""
    from holdfast.safe.statements import check

    try:
        statement = check(data.decode("utf-8", "replace"), None, _functions())
    except Refusal:
        return
    again = check(statement.sql, None, _functions())
    assert again.sql == statement.sql
    _watched(statement.sql)


@cache
def _functions() -> frozenset[str]:
    return frozenset({"abs", "count", "lower", "upper", "length", "max", "min", "sum", "substr", "coalesce", "round"})


_OPERATORS: Final = frozenset({"like", "glob", "->", "->>"})
"""Functions that SQLite calls for an operator."""


def _watched(text: str) -> None:
    """Let SQLite compile it where an authorizer that belongs to the fuzzer sees everything it is about to do."""
    import sqlite3

    allowed = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
    seen: set[int] = set()
    called: set[str] = set()

    def note(action: int, _first: str | None, second: str | None, *_: Any) -> int:
        seen.add(action)
        if action == sqlite3.SQLITE_FUNCTION and second is not None:
            called.add(second.lower())
        return sqlite3.SQLITE_OK

    connection = sqlite3.connect(":memory:")
    try:
        connection.execute("CREATE TABLE notes (id INTEGER, title TEXT, body TEXT)")
        connection.set_authorizer(note)
        with suppress(sqlite3.Error, sqlite3.Warning):
            connection.execute(f"EXPLAIN {text}", {})
    finally:
        connection.close()
    assert seen <= allowed, f"SQLite would do {seen - allowed}"
    assert called <= _functions() | _OPERATORS, f"SQLite would call {called - _functions()}"


def json_text(data: bytes) -> None:
    """What the bounded parser takes, the standard one takes alike, with no name given twice."""
    from holdfast.safe.json import Bounds, dumps, loads

    try:
        value = loads(data, Bounds(bytes=1 << 16, depth=24, elements=2_000, string=1 << 16))
    except HoldfastError:
        return

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len(dict(pairs)) == len(pairs), "a name stands twice"
        return dict(pairs)

    assert json.loads(data, object_pairs_hook=once) == value
    assert loads(dumps(value)) == value


def message(data: bytes) -> None:
    """A message is refused as one, or has its kind's parts; whoever sent it can be answered in JSON."""
    from holdfast.core.config import LimitSettings
    from holdfast.wire.messages import Malformed, message_bounds, parse

    try:
        found = parse(data, message_bounds(LimitSettings.model_construct()))
    except Malformed as error:
        json.dumps(error.reply()).encode("utf-8", "surrogatepass")
        return
    body = found.body
    assert body["jsonrpc"] == "2.0"
    assert ("method" in body) == (found.kind in ("request", "notification"))
    assert found.kind != "request" or isinstance(body["id"], int | str)


def text(data: bytes) -> None:
    """Cleaned and redacted text holds no control character and no registered secret, and stays as it is."""
    from holdfast.safe.text import clean

    sent = _text(data)
    outgoing = _outgoing()
    left = outgoing.text(sent)
    assert outgoing.text(left) == left
    assert clean(left) == left
    assert SECRET not in left
    assert not any((c < " " and c not in "\t\n\r") or "\x7f" <= c <= "\x9f" or "\ud800" <= c <= "\udfff" for c in left)


SECRET: Final = "hf-canary-3f9a1c77e2"


@cache
def _outgoing() -> Any:
    from holdfast.safe.outgoing import Outgoing
    from holdfast.safe.secrets import SecretRegistry

    registry = SecretRegistry(personal=True)
    registry.add(SECRET, "canary")
    return Outgoing(registry)


def stream(data: bytes) -> None:
    """Text that leaves in chunks leaves as the whole would; the first bytes say how it is cut.

    Where there are lines, a value may be wrapped, and up to three of its characters at a line's end leave before the
    rest is seen (``holdfast.safe.streaming``): then no longer part of it may be left.
    """
    from holdfast.safe.streaming import Streaming

    sizes, sent = data[:4] or b"\1", _text(data[4:])
    outgoing = _plain_outgoing()
    filtered, at, pieces = Streaming(outgoing), 0, []
    while at < len(sent):
        size = 1 + sizes[len(pieces) % len(sizes)] % 24
        pieces.append(filtered.feed(sent[at : at + size]))
        at += size
    left = "".join([*pieces, filtered.flush()])
    assert SECRET not in left
    whole = outgoing.text(sent)
    if "\n" in sent:
        parts = {SECRET[at : at + 4] for at in range(len(SECRET) - 3)}
        assert {part for part in parts if part in left} <= {part for part in parts if part in whole}, (left, whole)
    else:
        assert left == whole, (left, whole)


@cache
def _plain_outgoing() -> Any:
    from holdfast.safe.outgoing import Outgoing
    from holdfast.safe.secrets import SecretRegistry

    registry = SecretRegistry()
    registry.add(SECRET, "canary")
    return Outgoing(registry)


def tokens(data: bytes) -> None:
    """A table of tokens is refused as a setting, or knows what it lists; a token that nobody signed is refused."""
    from holdfast.access.jwt import Rejected, verify
    from holdfast.access.tokens import TokenTable, token_values
    from holdfast.errors import ConfigurationError

    sent = data.decode("utf-8", "replace")
    with suppress(ConfigurationError):
        table = TokenTable(sent)
        assert len(table) > 0
        assert all(table.principal(token) is not None for token in token_values(sent))
        assert table.principal(SECRET) is None or SECRET in token_values(sent)
    header, _, claims = data.partition(b"\n")
    for token in (sent, ".".join((_part(header), _part(claims), _part(SIGNATURE)))):
        try:
            verify(token, *_expected())
        except Rejected as refused:
            assert refused.reason.isidentifier()
            continue
        raise AssertionError("a token that nobody signed was taken")


SIGNATURE: Final = bytes(range(64))


def _part(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@cache
def _expected() -> tuple[Any, Any, float]:
    from holdfast.access.jwks import read_keys
    from holdfast.access.jwt import Expected

    # the public keys of RFC 8037, appendix A.2, and RFC 7515, appendix A.3
    keys = read_keys(
        b'{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"ed","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},'
        b'{"kty":"EC","crv":"P-256","kid":"ec","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",'
        b'"y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}'
    )
    algorithms = frozenset({"RS256", "ES256", "EdDSA"})
    return keys, Expected("https://issuer.example", frozenset({"https://mcp.example/mcp"}), algorithms), 1_700_000_000.0


def headers(data: bytes) -> None:
    """Headers are refused with a status of HTTP, or admitted under the one Host that is served."""
    from holdfast.core.config import Settings
    from holdfast.wire.admission import Admission, Refused

    lines = [line.partition(b":") for line in data.split(b"\n")]
    pairs = [(name.strip().lower(), value) for name, _, value in lines]
    admission = Admission(Settings(), frozenset({"127.0.0.1:8000"}))
    try:
        admitted = admission.admit(pairs)
    except Refused as refused:
        status = refused.status
        assert 400 <= status < 500
        return
    assert [v.strip(b" \t").lower() for n, v in pairs if n == b"host"] == [b"127.0.0.1:8000"]
    assert admitted.length >= 0


def arguments(data: bytes) -> None:
    """Git's words: what a caller wrote never stands where git reads an option."""
    from holdfast.safe.programs import git

    program = _git(git)
    if program is None:
        return
    words = data.decode("utf-8", "surrogateescape").split("\n")
    try:
        argv = list(program.words("log", {"--grep": words[0]} if words[0] else {}, words[1:3]))
    except Refusal:
        return
    mark = argv.index("--end-of-options")
    for word in words[1:3]:
        assert word not in argv[:mark] or not word.startswith("-")
    assert all("\0" not in word and not word.startswith("-") for word in argv[mark + 1 :] if word != "--")


@cache
def _git(make: Callable[[], Any]) -> Any:
    try:
        return make()
    except HoldfastError:  # git is not installed: nothing to fuzz
        return None


TARGETS: Final[Mapping[str, Target]] = {
    "paths": paths,
    "urls": urls,
    "sql": sql,
    "json": json_text,
    "message": message,
    "text": text,
    "stream": stream,
    "tokens": tokens,
    "headers": headers,
    "arguments": arguments,
}
