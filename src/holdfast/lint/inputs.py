"""HF101 to HF106 and HF504: what a tool takes, judged by names, formats, descriptions and bounds in its schema."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from holdfast.core.arguments import ModelArguments
from holdfast.lint.finding import Finding
from holdfast.lint.subject import HANDLE, Node, Subject, Whole, is_free


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of dangerous text: how its names end, its formats and descriptions, and ``samples`` of what must not fit.

    A parameter whose own ``pattern`` takes none of the samples is guarded by it.
    """

    code: str
    what: str
    endings: frozenset[str]
    formats: frozenset[str]
    described: re.Pattern[str]
    samples: tuple[str, ...]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


KINDS: Final = (
    Kind(
        "HF101",
        "path",
        _words(
            "path paths file files filename filenames filepath filepaths dir dirs directory directories folder folders "
            "pathname"
        ),
        _words("path file-path directory-path file directory"),
        re.compile(r"\b(?:file ?path|(?:absolute|relative|full) path|path (?:to|of)|file ?names?)\b", re.I),
        ("../x", "/etc/passwd", "a/../../b", "a/b", "C:\\x"),
    ),
    Kind(
        "HF102",
        "URL",
        _words("url urls uri uris href link links webhook endpoint hostname"),
        _words("uri url uri-reference iri iri-reference hostname idn-hostname ipv4 ipv6"),
        re.compile(r"\bUR[LI]s?\b|\bhttps?://"),
        ("http://127.0.0.1/", "https://localhost", "127.0.0.1", "localhost"),
    ),
    Kind(
        "HF103",
        "SQL",
        _words("sql dbquery rawquery sqlquery sqltext sqlstatement whereclause"),
        _words("sql"),
        re.compile(r"\bSQL\b"),
        ("SELECT 1; DROP TABLE x", "1=1 OR 1", "x'--"),
    ),
    Kind(
        "HF104",
        "command",
        _words(
            "command commands cmd cmds cmdline commandline shell bash powershell argv args cliargs executable program"
        ),
        _words("command shell"),
        re.compile(r"\b(?:shell|bash|command[- ]line|command to (?:run|execute))\b", re.I),
        ("a; b", "-x", "$(a)", "a b"),
    ),
)
_SECRETS: Final = _words(
    "password passwd passphrase secret apikey accesstoken authtoken bearertoken privatekey clientsecret accesskey "
    "credentials"
)
_WHOLE: Final = {"query": "HF103", "statement": "HF103"}
"""Names that are suspect only when there is nothing before them; ``search_query`` is not."""
_SPLIT: Final = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])")


def find(whole: Whole) -> Iterator[Finding]:
    """Look at every argument of everything that takes some."""
    for subject in whole.subjects:
        if subject.operation.kind == "completion":
            continue
        seen: set[tuple[str, str]] = set()
        for node in subject.nodes:
            for code, message in _judged(subject, node):
                if (node.argument, code) not in seen:
                    seen.add((node.argument, code))
                    yield Finding(code, message, subject.place_of(node.argument))


def _judged(subject: Subject, node: Node) -> Iterator[tuple[str, str]]:
    schema = node.schema
    if HANDLE in schema or schema.get("writeOnly"):
        return
    shown = f"{subject.label}: {node.argument}" + (f" ({node.name})" if node.name != node.argument else "")
    if _is_plain_text(schema):
        if (kind := kind_of(node)) is not None:
            yield kind.code, f"{shown} looks like a {kind.what} and is a plain string"
        if _joined(node.name)[-1] in _SECRETS or "".join(_parts(node.name)[-2:]) in _SECRETS:
            yield "HF504", f"{shown} looks like a secret and is a plain string"
    if node.argument and is_free(schema):
        yield "HF105", f"{shown} takes anything"
    elif node is subject.nodes[0] and _is_open(subject, schema):
        yield "HF105", f"{subject.label} takes arguments that its schema does not name"
    if node.argument and subject.operation.kind == "tool" and (missing := unbounded(schema)):
        yield "HF106", f"{shown} has no {missing}"


def _is_plain_text(schema: Mapping[str, Any]) -> bool:
    kinds = schema.get("type")
    return "string" in (kinds if isinstance(kinds, list) else [kinds]) and not {"enum", "const"} & set(schema)


def kind_of(node: Node) -> Kind | None:
    """The dangerous kind that a string looks like, unless its own pattern keeps such texts out."""
    joined = _joined(node.name)
    for kind in KINDS:
        named = bool(kind.endings.intersection(joined)) or _WHOLE.get(joined[0]) == kind.code
        formatted = node.schema.get("format") in kind.formats
        described = kind.described.search(str(node.schema.get("description", ""))) is not None
        if (named or formatted or described) and not _kept_out(node.schema, kind):
            return kind
    return None


def _parts(name: str) -> list[str]:
    return [part.lower() for part in _SPLIT.findall(name)]


def _joined(name: str) -> tuple[str, ...]:
    """The whole name without separators, its last two words together, and its last word."""
    parts = _parts(name) or [""]
    return "".join(parts), "".join(parts[-2:]), parts[-1]


def _kept_out(schema: Mapping[str, Any], kind: Kind) -> bool:
    pattern = schema.get("pattern")
    if not isinstance(pattern, str):
        return False
    try:
        return not any(re.search(pattern, sample) for sample in kind.samples)
    except re.error:
        return False


def _is_open(subject: Subject, schema: Mapping[str, Any]) -> bool:
    if isinstance(subject.operation.arguments, ModelArguments):
        return False  # unknown names are refused whatever the model says
    return schema.get("additionalProperties", True) is not False and schema.get("unevaluatedProperties") is not False


def unbounded(schema: Mapping[str, Any]) -> str:
    """The bound that a schema lacks, in words; empty when it has what it needs."""
    if {"enum", "const"} & set(schema):
        return ""
    kind = schema.get("type")
    if kind == "string":
        return "" if {"maxLength", "format"} & set(schema) else "greatest length"
    if kind == "array":
        return "" if "maxItems" in schema or "prefixItems" in schema else "greatest number of items"
    if kind in ("integer", "number"):
        low, high = {"minimum", "exclusiveMinimum"} & set(schema), {"maximum", "exclusiveMaximum"} & set(schema)
        return "" if low and high else "least and greatest value" if not (low or high) else "bound on one side"
    if kind == "object" and isinstance(schema.get("additionalProperties"), Mapping):
        return "" if "maxProperties" in schema else "greatest number of entries"
    return ""
