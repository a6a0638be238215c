"""The findings of the HTML page: a card for each case, with what happened, the bytes, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from holdfast_attack.model.outcome import Finding, Lane, Report
from holdfast_attack.report.gathered import Entry, Told, reproduction
from holdfast_attack.report.harmless import LONGEST, decoded, plain
from holdfast_attack.report.markup import Markup, bytes_marked, element, hexadecimal, joined, marked

_TEXT: Final = 6_000  # bytes of one message that are shown; more would make a page that no phone opens
_HEX: Final = 1_024
_MOST: Final = 100
"""Findings of one case that are shown, and with bytes only the first ten: the JSON report has all of them."""
_WITH_BYTES: Final = 10
_UNREADABLE: Final = 0.25
"""A share of characters that cannot be seen from which on bytes are shown in hexadecimal."""


def card(entry: Entry, report: Report) -> Markup:
    """One case, in full."""
    case = entry.case
    again = reproduction(report, case.id)
    facts = [
        ("Tried", joined(case.sends)),
        ("Sound", joined(case.sound)),
        ("Reference", joined(f"{case.reference.text} ({case.reference.backing})")),
        ("Remedy", joined(case.remedy)),
        *([("Reproduce", command(again))] if again else []),
    ]
    return element(
        "article",
        _head(entry),
        element("h3", case.title),
        _found(entry),
        definitions(facts, "facts"),
        class_="card",
        id=case.id,
    )


def brief(entry: Entry) -> Markup:
    """One case in short: for advice, for what stayed open, and for what is accepted."""
    return element(
        "article", _head(entry, "quiet"), element("h3", entry.case.title), _found(entry, evidence=False), class_="card"
    )


def advice(entry: Entry) -> Markup:
    """One case in short, with what to do."""
    remedy = element("p", entry.case.remedy, class_="under")
    return element("article", _head(entry), element("h3", entry.case.title), _found(entry), remedy, class_="card")


def definitions(facts: Iterable[tuple[str, Markup]], style: str) -> Markup:
    """Names and what they mean."""
    return element("dl", *(joined(element("dt", name), element("dd", fact)) for name, fact in facts), class_=style)


def from_server(text: str, most: int = LONGEST) -> Markup:
    """Text that a server may have chosen: escapes marked, cut when long, and its direction kept to itself."""
    cut = "" if len(text) <= most else f"... ({len(text):,} characters)"
    return element("bdi", marked(text[:most]), cut)


def command(line: str) -> Markup:
    """A line for a shell, which is broken between its words only."""
    words = line[:LONGEST].split(" ")
    return element("pre", *(joined(element("span", marked(word)), " ") for word in words), class_="line", tabindex="0")


def named(lanes: Iterable[Lane]) -> str:
    """The lanes in words."""
    return ", ".join(map(str, lanes))


def _head(entry: Entry, style: str = "") -> Markup:
    severity = entry.case.severity.name.lower()
    return element(
        "div",
        element("span", severity, class_=f"badge {style or severity}"),
        element("code", entry.case.id),
        element("span", from_server(named(entry.lanes)), class_="lanes"),
        class_="head",
    )


def _found(entry: Entry, *, evidence: bool = True) -> Markup:
    items = [
        element("li", _what(told, entry), _evidence(told.finding, number) if evidence else "")
        for number, told in enumerate(entry.told[:_MOST])
    ]
    if len(entry.told) > _MOST:
        items.append(element("li", f"... and {len(entry.told) - _MOST} more"))
    return element("ul", *items, class_="found") if items else joined()


def _what(told: Told, entry: Entry) -> Markup:
    tool = element("code", from_server(told.finding.tool), class_="tool") if told.finding.tool else ""
    where = "" if told.lanes == entry.lanes else element("span", f" ({named(told.lanes)})", class_="lanes")
    return joined(tool, from_server(told.finding.what), where)


def _evidence(finding: Finding, number: int) -> Markup:
    """The bytes, folded but for the first of a card."""
    both = [(name, data) for name, data in (("Sent", finding.sent), ("Got", finding.got)) if data]
    if not both or number >= _WITH_BYTES:
        return joined()
    summary = element("summary", " and ".join(f"{len(data):,} bytes {name.lower()}" for name, data in both))
    boxes = element("div", *(_box(name, data) for name, data in both), class_="evidence")
    return element("details", summary, boxes, attributes={"open": ""} if number == 0 else None)


def _box(name: str, data: bytes) -> Markup:
    readable = _is_readable(data[:_TEXT])
    most = _TEXT if readable else _HEX
    cut = f" (the first {most:,} bytes)" if len(data) > most else ""
    about = element("p", f"{name}{cut}")
    if readable:
        return element("div", about, element("pre", bytes_marked(data[:most]), tabindex="0"))
    return element("div", about, element("pre", hexadecimal(data[:most]), class_="hex", tabindex="0"))


def _is_readable(data: bytes) -> bool:
    text = decoded(data)
    return sum(not plain(char) and char not in "\n\t" for char in text) <= len(text) * _UNREADABLE
