"""Everything that leaves the server passes here: text is cleaned, then secrets are redacted, at any depth."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

from holdfast.safe.naming import CREDENTIAL, holds_secret, kind
from holdfast.safe.redaction import Redaction
from holdfast.safe.secrets import MIN_LENGTH, SecretRegistry
from holdfast.safe.text import clean

T = TypeVar("T")
SHORT = 48
"""Characters up to which a harmless text is remembered."""
REMEMBERED = 4_096
"""Harmless texts remembered: at most about half a megabyte."""
SHORT_JSON = 192
"""Bytes up to which harmless JSON is remembered, and as many of them as of texts: at most about a megabyte."""
_BINARY = {"data", "blob"}
"""Keys of content blocks that hold base64, which no hidden text can be in and which must not be altered."""
_OTHER = frozenset(map(chr, range(0x21, 0x7F))) - {"{", "["}
"""What begins no JSON of a list or an object, and is never cleaned away from before one."""
_BINARY_KINDS = ("image", "audio")  # a tuple: whatever is asked for need not be hashable


class Outgoing:
    """The egress filter. Fixed order: clean, then redact, so that a secret split by invisible characters is found."""

    def __init__(self, secrets: SecretRegistry, *, on_redaction: Callable[[str], None] | None = None) -> None:
        self._secrets = secrets
        self._told = on_redaction
        self._version = -1
        self._harmless: set[str | bytes] = set()

    def text(self, text: str) -> str:
        """``text`` as it may leave; the same object when nothing was to be done."""
        if len(text) <= SHORT:
            return self._short(text)
        return self._filtered(text)

    def _short(self, text: str) -> str:
        """Keys and little words come again and again, and each search lets go of the interpreter's lock."""
        harmless = self._known()
        if text in harmless:
            return text
        found = clean(text) if len(text) < MIN_LENGTH else self._filtered(text)
        if found is text:
            harmless.add(text)
        return found

    def _known(self) -> set[str | bytes]:
        """What was found harmless under the secrets that are registered now; emptied when it is full."""
        if self._secrets.version != self._version or len(self._harmless) >= REMEMBERED:
            self._version = self._secrets.version
            self._harmless = set()
        return self._harmless

    def quiet(self, raw: bytes) -> bool:
        """Whether ``tree`` would leave alone every string of the value that ``pydantic_core.to_json`` wrote as ``raw``.

        One pass over the whole in place of one over each string. ``False`` means that nobody knows: ask ``tree``.
        """
        if len(raw) > SHORT_JSON:
            return self._secrets.quiet(raw)
        harmless = self._known()
        if raw in harmless:
            return True
        found = self._secrets.quiet(raw)
        if found:
            harmless.add(raw)
        return found

    def _filtered(self, text: str) -> str:
        redacted = self._secrets.redact(clean(text))
        self.tell(redacted.hits)
        return redacted.text

    @property
    def redaction(self) -> Redaction:
        """What is looked for at this moment."""
        return self._secrets.current()

    def tell(self, rules: Iterable[str]) -> None:
        """Count a redaction by each of these rules."""
        if self._told is not None:
            for rule in rules:
                self._told(rule)

    def pair(self, name: str, text: str) -> str:
        """``text`` as it may leave under this ``name``: gone where the name says that it is a secret."""
        if kind(name) is None or not holds_secret(name, clean(text)):
            return self.document(text)
        self.tell((CREDENTIAL,))
        return f"[redacted:{CREDENTIAL}]"

    def document(self, text: str) -> str:
        """``text`` as it may leave, where it may be JSON: then what it holds leaves as ``tree`` would let it.

        Structured answers are sent as text too, and what was taken out of the one must not stand in the other.
        """
        parsed = _parsed(text)
        if parsed is None:
            return self.text(text)
        try:
            left = self.tree(parsed)
            return self.text(text if left is parsed else _written(left, like=text))
        except RecursionError:  # nested deeper than the interpreter goes: then it is looked through as a text
            return self.text(text)

    def tree(self, value: T) -> T:
        """A JSON value as it may leave; the same object when nothing in it was altered.

        A secret is found in each text, across the texts of one list, and by its name where it is a mapping's value.
        """
        if isinstance(value, str):
            return self.document(value)  # type: ignore[return-value]  # T is str here
        if isinstance(value, Mapping):
            return self._mapping(value)  # type: ignore[return-value]  # T is a mapping here
        if isinstance(value, list | tuple):
            items = [self.tree(item) for item in value]
            if len(items) > 1:
                items = self._joined(items)
            same = all(new is old for new, old in zip(items, value, strict=True))
            return value if same else items  # type: ignore[return-value]  # T is a sequence here
        return value

    def _mapping(self, value: Mapping[str, object]) -> Mapping[str, object]:
        binary = value.get("type") in _BINARY_KINDS or ("blob" in value and "uri" in value)
        cleaned: dict[str, object] = {}
        altered = False
        for key, item in value.items():
            new_key = self.text(key) if isinstance(key, str) else key
            if binary and key in _BINARY:
                new = item
            elif isinstance(item, str) and isinstance(new_key, str):
                new = self.pair(new_key, item)
            else:
                new = self.tree(item)
            altered = altered or new is not item or new_key is not key
            cleaned[new_key] = new
        return cleaned if altered else value

    def _joined(self, items: list[Any]) -> list[Any]:
        """``items`` without secrets that lie across adjacent texts, or across adjacent blocks of text."""
        texts = [_shown(item) for item in items]
        held = [at for at, text in enumerate(texts) if text]
        if len(held) < 2:
            return items
        spans = self.redaction.straddling([texts[at] for at in held])
        if not spans:
            return items
        self.tell({name for _, _, name in spans})
        made = list(items)
        for at, text in zip(held, _without([texts[at] for at in held], spans), strict=True):
            if text != texts[at]:
                made[at] = text if isinstance(items[at], str) else {**items[at], "text": text}
        return made


def _parsed(text: str) -> Any:
    """The list or the object that ``text`` is the JSON of; ``None`` for any other text."""
    if text[:1] in _OTHER or ("}" not in text and "]" not in text):
        return None
    plain = clean(text).strip()  # cleaned first: what is shown behind a byte order mark, or in colour, is JSON as well
    if plain[:1] not in ("{", "["):
        return None
    try:
        return json.loads(plain)
    except (ValueError, RecursionError):
        return None


def _written(value: Any, *, like: str) -> str:
    if "\n" in like:
        return json.dumps(value, ensure_ascii=False, indent=2)
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _shown(item: object) -> str:
    """The text of a text or of a block of text; empty for everything else."""
    if isinstance(item, str):
        return item
    if isinstance(item, Mapping) and item.get("type") == "text":
        text = item.get("text")
        return text if isinstance(text, str) else ""
    return ""


def _without(texts: list[str], spans: list[tuple[int, int, str]]) -> Iterator[str]:
    """Each text without its part of the ``spans`` (places in all of them joined); a mark stands where one begins."""
    begin = at = 0
    for text in texts:
        end, pieces, done = begin + len(text), [], begin
        while at < len(spans) and spans[at][0] < end:
            first, last, name = spans[at]
            if first >= begin:
                pieces += [text[done - begin : first - begin], f"[redacted:{name}]"]
            done = min(last, end)
            if last > end:
                break
            at += 1
        yield "".join([*pieces, text[done - begin :]])
        begin = end
