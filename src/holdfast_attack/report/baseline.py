"""The file of a baseline, as TOML or JSON by its name: read with bounds, every mistake told in one line."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Final

from holdfast.errors import ConfigurationError
from holdfast_attack.model.case import Eras, Transport
from holdfast_attack.model.outcome import Report
from holdfast_attack.report.accepting import Baseline, Known, accept, baseline_of, stale
from holdfast_attack.report.files import replace_file
from holdfast_attack.report.harmless import escaped, one_line, plain

__all__ = ["Baseline", "Known", "accept", "as_json", "as_toml", "baseline_of", "read", "stale", "write"]

SCHEMA: Final = "holdfast-attack-baseline/1"
MAX_BYTES: Final = 4 * 1024 * 1024
MAX_ENTRIES: Final = 20_000
_LANES: Final = tuple(f"{transport}/{era}" for transport in Transport for era in (Eras.LEGACY, Eras.MODERN))
_FIELDS: Final = ("case", "lane", "tool", "note")
_HEAD: Final = f"""\
# Findings of `holdfast attack` that are known and accepted: told, but neither scored nor a reason to fail.
# `note` is for people: say why it is accepted, and until when.
schema = "{SCHEMA}"
"""


def read(path: Path, cases: Collection[str]) -> Baseline:
    """The baseline. ``cases`` are the ids that there are. Raises ``ConfigurationError`` in one line."""
    held = _parsed(path, _text(path))
    if not isinstance(held, dict) or held.get("schema") != SCHEMA:
        raise _wrong(path, f'it has no schema = "{SCHEMA}"')
    _only(path, "", held, ("schema", "accepted"))
    entries = held.get("accepted", [])
    if not isinstance(entries, list) or len(entries) > MAX_ENTRIES:
        raise _wrong(path, f"accepted is a list of at most {MAX_ENTRIES:,} entries")
    return Baseline(frozenset(_known(path, number, entry, cases) for number, entry in enumerate(entries, 1)))


def write(report: Report, path: Path) -> None:
    """Accept all that failed from now on; in order, so that a change shows in a review.

    Raises ``ConfigurationError`` when it cannot be written.
    """
    baseline = baseline_of(report)
    replace_file(path, as_json(baseline) if _is_json(path) else as_toml(baseline))


def as_toml(baseline: Baseline) -> str:
    """The file's text."""
    tables = (
        "\n[[accepted]]\n" + "".join(f"{name} = {_quoted(value)}\n" for name, value in _fields(known).items())
        for known in sorted(baseline.known)
    )
    return _HEAD + "".join(tables)


def as_json(baseline: Baseline) -> str:
    """The same as JSON."""
    held = {"schema": SCHEMA, "accepted": [_fields(known) for known in sorted(baseline.known)]}
    return json.dumps(held, indent=2, ensure_ascii=True) + "\n"


def _fields(known: Known) -> dict[str, str]:
    return {"case": known.case, "lane": known.lane, **({"tool": known.tool} if known.tool else {})}


def _quoted(text: str) -> str:
    """A basic string (TOML 1.0): what cannot be seen is written as an escape."""
    return '"' + "".join(_character(char) for char in text) + '"'


def _character(char: str) -> str:
    if char in '"\\':
        return f"\\{char}"
    if plain(char):
        return char
    return f"\\u{ord(char):04x}" if ord(char) < 0x10000 else f"\\U{ord(char):08x}"


def _is_json(path: Path) -> bool:
    return path.suffix.lower() == ".json"


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise _wrong(path, str(error.strerror)) from None
    except ValueError:
        raise _wrong(path, "its name holds a NUL") from None
    if len(raw) > MAX_BYTES:
        raise _wrong(path, f"it is larger than {MAX_BYTES:,} bytes")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _wrong(path, "it is not UTF-8") from None


def _parsed(path: Path, text: str) -> Any:
    try:
        return json.loads(text) if _is_json(path) else tomllib.loads(text)
    except RecursionError:
        raise _wrong(path, "it is nested too deeply") from None
    except ValueError as error:
        raise _wrong(path, f"it is not {'JSON' if _is_json(path) else 'TOML'}: {error}") from None


def _known(path: Path, number: int, entry: Any, cases: Collection[str]) -> Known:
    where = f"accepted entry {number}"
    if not isinstance(entry, dict):
        raise _wrong(path, f"{where} is no table")
    _only(path, f"{where}: ", entry, _FIELDS)
    for name in _FIELDS:
        if not isinstance(entry.get(name, ""), str):
            raise _wrong(path, f"{where}: {name} is text")
    case, lane = entry.get("case", ""), entry.get("lane", "")
    if case not in cases:
        raise _wrong(path, f"{where}: unknown case {_told(case)}{_nearest(case, cases)}")
    if lane not in _LANES:
        raise _wrong(path, f"{where}: lane is one of {', '.join(_LANES)}, not {_told(lane)}")
    return Known(case, lane, entry.get("tool", ""))


def _only(path: Path, where: str, held: Mapping[str, Any], names: Collection[str]) -> None:
    for key in held:
        if key not in names:
            raise _wrong(path, f"{where}unknown key {_told(key)}; the keys are {', '.join(names)}")


def _told(text: str) -> str:
    return f'"{one_line(text, 80)}"'


def _nearest(case: str, cases: Collection[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(case[:80], cases, n=1, cutoff=0.5)
    return f"; the nearest is {near[0]}" if near else ""


def _wrong(path: Path, why: str) -> ConfigurationError:
    return ConfigurationError(f"the baseline {escaped(str(path))} cannot be used: {one_line(why)}")
