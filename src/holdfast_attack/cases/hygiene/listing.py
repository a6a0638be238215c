"""What stands in the list of tools: names, words, annotations, schemas."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import jsonschema_rs

from holdfast_attack.link.messages import encoded
from holdfast_attack.model import Case, Eras, Finding, FoundSeveral, NotApplicable, Severity
from holdfast_attack.model.case import Play, spec, taste

if TYPE_CHECKING:
    from holdfast_attack.play.probe import Probe

NAME = re.compile(r"[A-Za-z0-9_.-]{1,128}\Z")
HINTS = ("readOnlyHint", "destructiveHint")
WORDS = 8
"""Characters below which a description says no more than the name."""
LARGE = 2**20
"""Bytes beyond which a schema is not looked at: that costs a client more than whatever is wrong with it."""
TOOL = "MCP 2025-11-25 and 2026-07-28, Tools, Data Types, Tool"

Entry = dict[str, Any]


def _each(look: Callable[[Entry], str]) -> Play:
    """A case that looks at each tool by itself; ``look`` says what is wrong with it, or nothing."""

    async def play(probe: Probe) -> int:
        if not probe.listed:
            raise NotApplicable("it lists no tools")
        entries = [entry if isinstance(entry, dict) else {"name": entry} for entry in probe.listed]
        found = [(entry, what) for entry in entries if (what := look(entry))]
        if found:
            raise FoundSeveral(tuple(Finding(what, _name(entry), got=encoded(entry)[:1000]) for entry, what in found))
        return len(entries)

    return play


def _name(entry: Entry) -> str:
    return str(entry.get("name"))[:128]


def _annotations(entry: Entry) -> str:
    hints = entry.get("annotations")
    if isinstance(hints, dict) and any(isinstance(hints.get(hint), bool) for hint in HINTS):
        return ""
    return "no annotation says whether it only reads, or destroys"


def _description(entry: Entry) -> str:
    said = entry.get("description")
    if isinstance(said, str) and len(said.strip()) >= WORDS:
        return ""
    return "no description, or one of a few letters"


def _tool_name(entry: Entry) -> str:
    name = entry.get("name")
    return "" if isinstance(name, str) and NAME.match(name) else "a name of other than letters, digits, _, - and ."


def _input_schema(entry: Entry) -> str:
    if not isinstance(entry.get("name"), str):
        return "an entry of the list without a name"
    schema = entry.get("inputSchema")
    if not isinstance(schema, dict):
        return "inputSchema is missing, or no object"
    if schema.get("type") != "object":
        return 'the type of inputSchema is not "object"'
    return _invalid("inputSchema", schema)


def _output_schema(entry: Entry) -> str:
    schema = entry.get("outputSchema")
    if schema is None:
        return ""
    return _invalid("outputSchema", schema) if isinstance(schema, dict) else "outputSchema is no object"


def _invalid(name: str, schema: Entry) -> str:
    if len(encoded(schema)) > LARGE:
        return ""
    try:
        jsonschema_rs.meta.validate(schema)
    except jsonschema_rs.ValidationError as error:
        return f"{name} is no valid JSON Schema: {error.message[:200]}"
    except (jsonschema_rs.ReferencingError, ValueError, TypeError, RecursionError):
        return ""  # a dialect that is not known here, or nothing that can be looked at
    return ""


async def _output_schemas(probe: Probe) -> int:
    if not any(isinstance(entry, dict) and "outputSchema" in entry for entry in probe.listed):
        raise NotApplicable("no tool has an outputSchema")
    return await _each(_output_schema)(probe)


async def _duplicates(probe: Probe) -> int:
    if not probe.listed:
        raise NotApplicable("it lists no tools")
    counted = Counter(_names(probe.listed))
    found = [Finding(f"listed {count} times", name) for name, count in counted.items() if count > 1]
    if found:
        raise FoundSeveral(tuple(found))
    return len(counted)


def _names(listed: list[Any]) -> Iterator[str]:
    return (entry["name"] for entry in listed if isinstance(entry, dict) and isinstance(entry.get("name"), str))


CASES = (
    Case(
        id="hygiene.annotations",
        title="Tools say whether they only read",
        severity=Severity.ADVICE,
        sends="tools/list",
        sound="each tool has readOnlyHint or destructiveHint",
        reference=taste("hints are optional; without them a client must ask its user before each call"),
        remedy="set readOnlyHint or destructiveHint on each tool",
        play=_each(_annotations),
        eras=Eras.ONCE,
    ),
    Case(
        id="hygiene.descriptions",
        title="Tools say what they do",
        severity=Severity.ADVICE,
        sends="tools/list",
        sound="each tool has a description of more than a few letters",
        reference=taste("descriptions are optional; a model chooses tools by them"),
        remedy="write a sentence on each tool",
        play=_each(_description),
        eras=Eras.ONCE,
    ),
    Case(
        id="hygiene.tool-names",
        title="Names of tools",
        severity=Severity.ADVICE,
        sends="tools/list",
        sound="names are 1 to 128 letters, digits, underscores, hyphens and dots",
        reference=taste(f"{TOOL} Names: SHOULD be the only allowed characters; several clients refuse other names"),
        remedy="rename the tool",
        play=_each(_tool_name),
        eras=Eras.ONCE,
    ),
    Case(
        id="hygiene.duplicate-tools",
        title="Two tools with one name",
        severity=Severity.MEDIUM,
        sends="tools/list",
        sound="each name is there once",
        reference=spec(f"{TOOL}: name is a unique identifier for the tool"),
        remedy="refuse a name that is taken when a tool is registered",
        play=_duplicates,
    ),
    Case(
        id="hygiene.input-schema",
        title="Input schemas",
        severity=Severity.MEDIUM,
        sends="tools/list",
        sound='each tool has an inputSchema that is valid JSON Schema with the type "object"',
        reference=spec(f"{TOOL}: inputSchema MUST be a valid JSON Schema object; its type is object (schema.ts)"),
        remedy="derive the schema from the code, and check it against its meta-schema when the server starts",
        play=_each(_input_schema),
    ),
    Case(
        id="hygiene.output-schema-valid",
        title="Output schemas",
        severity=Severity.MEDIUM,
        sends="tools/list",
        sound="each outputSchema that is there is valid JSON Schema",
        reference=spec(f"{TOOL}: outputSchema is a JSON Schema; 2025-11-25, JSON Schema Usage: schemas MUST be valid"),
        remedy="derive the schema from the code, and check it against its meta-schema when the server starts",
        play=_output_schemas,
    ),
)
