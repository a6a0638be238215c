"""HF401 to HF408 and HF501: the texts that a model reads: missing, hidden, commanding, encoded, or with a secret."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from holdfast.lint.finding import Finding, Place
from holdfast.lint.subject import Subject, Whole
from holdfast.safe.secrets import SecretRegistry
from holdfast.safe.text import clean

SHORTEST: Final = 3
"""Words of a description that says more than the name."""
LONGEST: Final = 4_000
"""Characters of a description: about a thousand tokens, in every conversation."""


@dataclass(frozen=True, slots=True)
class Text:
    """One text as clients get it, what it is called in messages, and where it was written."""

    label: str
    text: str
    place: Place


_ORDERS: Final = re.compile(
    r"""
    \b(?:ignore|disregard|forget|override)\b[^.\n]{0,40}\b(?:previous|prior|above|earlier|all|other|system)\b
        [^.\n]{0,40}\b(?:instructions?|prompts?|rules?|messages?|guidelines?)\b
    | \b(?:do\s{1,9}not|don't|never|without)\s{1,9}(?:\w+\s{1,9}){0,2}?
        (?:tell|inform|mention|notify|show|reveal|ask|alert|notifi|telling|informing|mentioning|showing
        |asking)(?:ing)?\b
        [^.\n]{0,40}\b(?:the\s{1,9})?(?:users?|humans?|anyone|anybody)\b
    | </?\s{0,9}(?:important|system|instructions?|secret|hidden|critical|admin|assistant)\b[^>]{0,40}>
    | \[\s{0,9}/?\s{0,9}(?:INST|SYSTEM|IMPORTANT)\s{0,9}\] | <\|(?:im_start|im_end|system|endoftext)\|>
    | ^[ \t]{0,20}\#{0,6}[ \t]{0,20}system\s{0,20}(?:prompt)?\s{0,20}:
    | \byou\s{1,9}(?:must|should|have\s{1,9}to|need\s{1,9}to|are\s{1,9}required\s{1,9}to|shall|will)\s{1,9}
        (?:always|never|first|now|also|immediately|only)\b
    | \b(?:new|real|actual|true|updated)\s{1,9}(?:system\s{1,9})?(?:instructions?
        |system\s{1,9}prompt)\s{0,9}(?::|are\b|is\b)
    | \b(?:reveal|print|repeat|output|send|include|pass|put|provide)\b[^.\n]{0,40}\b(?:your|the)\s{1,9}
        (?:system\s{1,9}prompt|conversation(?:\s{1,9}history)?|chat\s{1,9}history|previous\s{1,9}messages
        |context\s{1,9}window)\b
    | \b(?:act|behave|respond)\s{1,9}as\s{1,9}(?:if\s{1,9}you\s{1,9}(?:are|were)|an?\s{1,9}(?:admin
        |unrestricted|different|jailbroken))\b
    """,
    re.I | re.X | re.M,
)
"""Runs of spaces are bounded, as 20,000 of them took 20 s; the text is also searched with each run made one space."""
_OTHERS: Final = re.compile(
    r"""
    \b(?:before|after|prior\s+to|instead\s+of|in\s+place\s+of|rather\s+than)\b[^.\n]{0,30}
        \b(?:any|every|each|all|other|another|using|calling|invoking|running)\b[^.\n]{0,30}\btools?\b
    | \b(?:do\s+not|don't|never|stop)\s+(?:us(?:e|ing)|call(?:ing)?|invok(?:e|ing))\b[^.\n]{0,40}\b(?:tools?|servers?)\b
    | \bwhen(?:ever)?\s+(?:(?:the|any|another)\s+)?[\w`'-]{1,64}\s+(?:tool|server)\s+is\s+
        (?:used|called|invoked|available|present)\b
    | \b(?:always|first)\s+(?:use|call|invoke|run)\s+th(?:is|e)\b[^.\n]{0,20}\btool\b
    | \b(?:any|every|all)\s+other\s+(?:tools?|servers?|mcp)\b
    """,
    re.I | re.X,
)
_ENCODED: Final = re.compile(
    r"(?<![\w/+=-])(?:(?:[A-Za-z0-9+/]{4}){14,}(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?"
    r"|(?:[A-Za-z0-9_-]{4}){20,})(?![\w/+-])"
    r"|(?<!\w)(?:[0-9a-fA-F]{2}){32,}(?!\w)|(?:\\x[0-9a-fA-F]{2}){8,}|(?:\\u[0-9a-fA-F]{4}){6,}|(?:%[0-9A-Fa-f]{2}){12,}"
    r"|\bdata:[\w/+.-]+;base64,"
)
_LEAKING: Final = re.compile(
    r"""
    !\[[^\]\n]{0,200}\]\(\s*https?://
    | https?://[^\s)"'<>]{0,300}[?&=](?:\{[^}\s]{0,80}\}|<[a-z_ ]{1,40}>|\$\{?\w+|%s|\[[a-z_ ]{2,40}\])
    | https?://[^\s)"'<>]{0,300}/[\[{<][^\]}>\n]{0,40}(?:data|secret|token|key|content|conversation|history|password)
    | <img\b[^>]{0,200}\bsrc\s*=
    """,
    re.I | re.X,
)


def find(whole: Whole) -> Iterator[Finding]:
    """Look at every text, and at those that are missing or the same."""
    secrets = SecretRegistry()
    for text in texts_of(whole):
        yield from _judged(text, secrets)
    yield from _descriptions(whole)


def _judged(text: Text, secrets: SecretRegistry) -> Iterator[Finding]:
    if hidden(text.text):
        yield Finding("HF404", f"{text.label} holds characters that nobody sees", text.place)
    seen = clean(text.text)  # what a model still reads once the rest is stripped
    plain = " ".join(seen.split())
    if (found := _ORDERS.search(seen) or _ORDERS.search(plain)) is not None:
        yield Finding("HF405", f"{text.label} gives orders to the model: {_quoted(found)}", text.place)
    if "instructions" not in text.label and (found := _OTHERS.search(plain)) is not None:
        yield Finding("HF406", f"{text.label} speaks of other tools: {_quoted(found)}", text.place)
    if _ENCODED.search(seen) is not None:
        yield Finding("HF407", f"{text.label} holds a long encoded string", text.place)
    if _LEAKING.search(seen) is not None:
        yield Finding("HF408", f"{text.label} holds an address with a place for data", text.place)
    if rules := secrets.redact(seen).hits:
        yield Finding("HF501", f"{text.label} holds a secret ({', '.join(sorted(set(rules)))})", text.place)


def hidden(text: str) -> bool:
    """Whether egress would take something out of ``text`` that readers do not see; line ends do not count."""
    flat = text.replace("\r\n", "\n").replace("\r", "\n")
    return clean(flat) != flat


def _quoted(found: re.Match[str]) -> str:
    return '"' + " ".join(found[0].split())[:60] + '"'


def texts_of(whole: Whole) -> Iterator[Text]:
    """Every text that clients get, with names and keys."""
    for key, value in (("name", whole.server.name), *whole.server.identity.items()):
        for text in _strings(value):
            yield Text(f"the server's {key}", text, whole.home)
    for subject in whole.subjects:
        yield from _of(subject)


def _of(subject: Subject) -> Iterator[Text]:
    operation = subject.operation
    if operation.kind == "completion":
        return
    listing = dict(operation.listing())
    arguments = listing.pop("inputSchema", {})
    listing.pop("arguments", None)
    for key, value in listing.items():
        for text in _strings(value):
            yield Text(f"{subject.label}: its {key}", text, subject.place)
    for name, node in (arguments or operation.arguments.schema).get("properties", {}).items():
        for text in (name, *_strings(node)):
            yield Text(f"{subject.label}: argument {clean(name)}", text, subject.place_of(name))
    shared = {key: value for key, value in arguments.items() if key != "properties"}
    for text in _strings(shared):
        yield Text(f"{subject.label}: its schema", text, subject.place)


_STRUCTURE: Final = frozenset({"type", "$ref", "format", "pattern", "required", "$schema"})
"""Keys of a schema whose values are no prose."""


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield str(key)
            if key not in _STRUCTURE:
                yield from _strings(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _strings(item)


def _descriptions(whole: Whole) -> Iterator[Finding]:
    owners: dict[str, tuple[str, Any]] = {}
    for subject in whole.subjects:
        operation = subject.operation
        if operation.kind == "completion":
            continue
        said = " ".join((operation.description or "").split())
        if not said:
            yield Finding("HF401", f"{subject.label} has no description", subject.place)
            continue
        if len(said.split()) < SHORTEST and said.isascii():  # words of other scripts have no spaces between them
            yield Finding("HF402", f"{subject.label}: its description has fewer than {SHORTEST} words", subject.place)
        elif len(said) > LONGEST:
            yield Finding("HF402", f"{subject.label}: its description has over {LONGEST} characters", subject.place)
        label, work = owners.setdefault(f"{operation.kind} {said.casefold()}", (subject.label, operation.work()))
        if operation.kind == "tool" and label != subject.label and work is not operation.work():
            yield Finding("HF403", f"{subject.label} has the description of {label}", subject.place)
