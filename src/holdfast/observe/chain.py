"""The audit log's hash chain: how a line is built, read back, and a whole series of files verified."""

from __future__ import annotations

import hashlib
import json
import re
from bisect import bisect
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from json.encoder import encode_basestring_ascii as quoted
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple

from holdfast.observe.record import Cut, Failure


def _hasher() -> Any:
    """SHA-256, from CPython's own module where there is one: for a line OpenSSL's way costs 7 us a call more (measured
    within a call; it sets up a context each time)."""
    for name in ("_sha2", "_sha256"):  # 3.12 and later; 3.11
        with suppress(ImportError, AttributeError):
            return import_module(name).sha256
    return hashlib.sha256


sha256: Final = _hasher()
MAX_LINE = 2 * 1024 * 1024
"""Bytes of one line that are read back; written lines are smaller (``record.MAX_TEXT``, escaped twelve-fold)."""
RESERVED = frozenset({"seq", "time", "prev", "hash"})
PLAIN_FIELDS = 32
PLAIN_TEXT = 1_024
PLAIN_NUMBER = 2**63
"""What a record may hold that is put into words on the event loop."""
_WORDS = {None: "null", True: "true", False: "false"}
_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode


class Head(NamedTuple):
    """The last line of a chain. Kept elsewhere, it also proves that nobody cut lines off the end."""

    seq: int = 0
    hash: str = "0" * 64


GENESIS = Head()


@dataclass(frozen=True, slots=True)
class Verdict:
    """``lines`` intact lines were seen; ``first_bad`` is the number of the first wrong one (from 1), else None.

    ``torn`` says that the last line has no end, as a crash leaves it; it was never acknowledged.
    """

    ok: bool
    lines: int
    first_bad: int | None = None
    torn: bool = False
    head: Head = GENESIS


def canonical(fields: Mapping[str, Any]) -> bytes:
    """Return sorted, compact, ASCII JSON (what ``jq -cSa`` prints)."""
    return _encode(fields).encode("ascii")


def link(after: Head, time: str, fields: Mapping[str, Any]) -> tuple[bytes, Head]:
    """Return the line that follows ``after``, newline included, and the new head.

    Keys are sorted, so the hash's place is known: what comes before it and after it is encoded once, for both.
    """
    seq = after.seq + 1
    low: dict[str, Any] = {}
    high: dict[str, Any] = {"seq": seq, "time": time, "prev": after.hash}
    for name, value in fields.items():
        if name in RESERVED:
            name = f"{name}_"
        (low if name < "hash" else high)[name] = value
    begin = f"{_encode(low)[:-1]}," if low else "{"
    end = _encode(high)[1:]
    digest = sha256(f"{begin}{end}".encode("ascii")).hexdigest()
    return f'{begin}"hash":"{digest}",{end}\n'.encode("ascii"), Head(seq, digest)


def link_plain(after: Head, time: str, fields: Mapping[str, Any]) -> tuple[bytes, Head] | None:
    """Return what ``link`` would, byte for byte and in half the time, for plain fields; None for others.

    Plain: at most 32 fields; names that are ASCII identifiers, which sort in their quotes as they do without, and not
    the chain's; texts up to 1,024 characters, finite floats, integers up to 64 bits, booleans and None.
    """
    if len(fields) > PLAIN_FIELDS:
        return None
    seq = after.seq + 1
    members = [f'"seq":{seq}', f'"time":"{time}"', f'"prev":"{after.hash}"']
    for name, value in fields.items():
        kind = type(value)
        if kind is str and len(value) <= PLAIN_TEXT:
            text = quoted(value)
        elif (kind is float or kind is int) and -PLAIN_NUMBER < value < PLAIN_NUMBER:  # NaN is in no range
            text = repr(value)
        elif value is None or kind is bool:
            text = _WORDS[value]
        else:
            return None
        if name in RESERVED or not (name.isidentifier() and name.isascii()):
            return None
        members.append(f'"{name}":{text}')
    members.sort()
    digest = sha256(f"{{{','.join(members)}}}".encode("ascii")).hexdigest()
    members.insert(bisect(members, '"hash":'), f'"hash":"{digest}"')
    return f"{{{','.join(members)}}}\n".encode("ascii"), Head(seq, digest)


def link_call(  # noqa: PLR0913 - a call's record, field by field, so that nobody has to build one
    after: Head, time: str, tool: str, request_id: str, principal: str, outcome: str, seconds: float
) -> tuple[bytes, Head]:
    """Return what ``link`` would, byte for byte, for the record of a call that ended without a code.

    ``tool`` is in its quotes already, as JSON in ASCII; ``outcome`` is a word of ASCII letters; ``seconds`` is finite.
    The fields stand in their order here: hash, outcome, prev, principal, request_id, seconds, seq, time, tool.
    """
    seq = after[0] + 1
    rest = (
        f'"outcome":"{outcome}","prev":"{after[1]}","principal":{quoted(principal)},"request_id":{quoted(request_id)},'
        f'"seconds":{seconds!r},"seq":{seq},"time":"{time}","tool":{tool}}}'
    )
    digest = sha256(f"{{{rest}".encode("ascii")).hexdigest()
    return f'{{"hash":"{digest}",{rest}\n'.encode("ascii"), Head(seq, digest)


def read(line: bytes) -> tuple[Head, str] | None:
    """Return the head that an intact line makes and the hash before it, or None when the line was altered."""
    try:
        fields = json.loads(line)
        given, seq, prev = fields.pop("hash"), fields["seq"], fields["prev"]
        digest = sha256(canonical(fields)).hexdigest()
        # The whole text is compared, not only the hash: a repeated key would show readers what the hash does not cover.
        intact = given == digest and canonical(fields | {"hash": given}) + b"\n" == line
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return (Head(seq, given), prev) if intact and isinstance(seq, int) and isinstance(prev, str) else None


def plain(value: Any) -> Any:
    """Turn a snapshot into what JSON holds."""
    if isinstance(value, dict):
        return {_name(key): plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, Failure):
        return value.kind
    return f"{value.text}..." if isinstance(value, Cut) else value


def _name(key: Any) -> str:
    return key.text if isinstance(key, Cut) else str(key)


def archives(path: Path) -> list[Path]:
    """Return the rotated files of the log at ``path``, oldest first: ``<name>.<first seq, 12 digits>``."""
    pattern = re.compile(re.escape(path.name) + r"\.\d{12,}")
    found = [each for each in path.parent.glob(f"{path.name}.*") if pattern.fullmatch(each.name)]
    return sorted(found, key=lambda each: int(each.suffix[1:]))


def lines_of(file: BinaryIO) -> Iterator[bytes]:
    """Yield lines of at most ``MAX_LINE`` bytes; a longer one comes as pieces that cannot be intact."""
    while line := file.readline(MAX_LINE):
        yield line


def verify(path: Path, *, since: Head = GENESIS) -> Verdict:
    """Check the log at ``path`` and its rotated files, from the first line on. Blocking; for the command line.

    When old rotated files were moved away, ``since`` is the last head of what was moved. Raises ``OSError`` when
    a file cannot be read.
    """
    head, count = since, 0
    files = [*archives(path), path]
    for each in files:
        with each.open("rb") as file:
            for line in lines_of(file):
                found = read(line)
                if found is None or found[1] != head.hash or found[0].seq != head.seq + 1:
                    torn = each is files[-1] and not line.endswith(b"\n") and len(line) < MAX_LINE
                    return Verdict(torn, count, None if torn else count + 1, torn, head)
                head, count = found[0], count + 1
    return Verdict(True, count, None, False, head)
