"""Elements of HTML and XML in which everything is escaped that was not made here: text cannot become markup."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape as quoted
from itertools import groupby

from holdfast_attack.report.harmless import decoded, escape, escaped, plain

_NEW_LINE = "\n"


class Markup(str):
    """Text that is markup already. Everything else is escaped when it becomes part of an element."""

    __slots__ = ()


def text(value: str) -> Markup:
    """``value`` to be read: harmless, with its line ends, and nothing in it is markup. Fit for XML 1.0 too (2.2)."""
    return Markup(quoted(escaped(value, keep=_NEW_LINE), quote=True))


def element(tag: str, *children: str | Markup, attributes: Mapping[str, str] | None = None, **more: str) -> Markup:
    """``<tag attribute="value">children</tag>``. ``class_`` is the attribute ``class``; ``_`` in a name is ``-``."""
    named = {key.rstrip("_").replace("_", "-"): value for key, value in more.items()}
    given = "".join(
        f' {key}="{quoted(escaped(value), quote=True)}"' for key, value in {**(attributes or {}), **named}.items()
    )
    return Markup(f"<{tag}{given}>{joined(*children)}</{tag}>")


def joined(*children: str | Markup) -> Markup:
    """One after the other."""
    return Markup("".join(child if isinstance(child, Markup) else text(child) for child in children))


def marked(value: str, keep: str = "") -> Markup:
    """``value`` with its escapes marked, so that nobody takes ``\\x1b`` for the four characters that it is made of."""
    pieces = []
    for seen, run in groupby(value, key=lambda char: char in keep or plain(char)):
        found = "".join(run)
        pieces.append(text(found) if seen else element("i", "".join(map(escape, found))))
    return joined(*pieces)


def bytes_marked(data: bytes) -> Markup:
    """UTF-8 with escapes for all that is none; a line end is shown, and ends the line."""
    ends = decoded(data).split(_NEW_LINE)
    shown = [joined(marked(line), element("i", "\\n"), _NEW_LINE) for line in ends[:-1]]
    return joined(*shown, marked(ends[-1]))


def hexadecimal(data: bytes, wide: int = 8) -> str:
    """Offset, bytes and ASCII in lines of ``wide`` bytes: eight of them fit a phone."""
    rows = (data[at : at + wide] for at in range(0, len(data), wide))
    return "\n".join(
        f"{number * wide:04x} {row.hex(' '):<{wide * 3 - 1}} {''.join(map(_ascii, row))}"
        for number, row in enumerate(rows)
    )


def _ascii(byte: int) -> str:
    return chr(byte) if 0x20 <= byte < 0x7F else "."
