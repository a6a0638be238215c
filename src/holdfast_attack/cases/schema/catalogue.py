"""The cases of the class as data."""

from __future__ import annotations

from typing import Any, Final

from holdfast_attack.cases.schema import faults, outputs, valid
from holdfast_attack.model import Case, Eras, Severity
from holdfast_attack.model.case import spec
from holdfast_attack.tools.wrong import Fault

_VALIDATE: Final = spec(
    'MCP 2025-11-25 and 2026-07-28, server/tools, Security Considerations: "Servers MUST validate all tool inputs"'
)
_REFUSED: Final = "refuses: a tool error (isError) or invalid params (-32602); no result, no internal error, no silence"
_CHECK: Final = "validate the arguments against the tool's own inputSchema before anything is done with them"

_VALID: Final[dict[str, Any]] = {
    "severity": Severity.MEDIUM,
    "sound": "answers with a result or a tool error (isError); no internal error, no silence, and it is still there",
    "reference": spec(
        "MCP 2025-11-25 and 2026-07-28, server/tools, Error Handling: what fails in a tool is told with isError"
    ),
    "remedy": "catch in one place what a tool raises and answer with isError; narrow the schema to what it can do",
    "seconds": 120.0,
}


def _fault(fault: Fault, severity: Severity, sends: str, title: str, remedy: str = _CHECK) -> Case:
    return Case(
        id=f"schema.{fault}",
        title=title,
        severity=severity,
        sends=sends,
        sound=_REFUSED,
        reference=_VALIDATE,
        remedy=remedy,
        play=faults.violating(fault),
        seconds=60.0,
    )


CASES: Final = (
    _fault(
        Fault.TYPE,
        Severity.MEDIUM,
        "a list, an object, a text or a fraction where the schema wants another type, everything else right",
        "Arguments of a wrong type are refused",
    ),
    _fault(
        Fault.MISSING,
        Severity.MEDIUM,
        "calls without one required parameter, and without any",
        "Calls without a required parameter are refused",
    ),
    _fault(
        Fault.EXTRA,
        Severity.LOW,
        "a parameter more than a schema with additionalProperties: false allows, and one spelled in other case",
        "Parameters that the schema forbids are refused",
        "refuse what the schema does not name: a caller who misspells an optional parameter must be told",
    ),
    _fault(
        Fault.BOUNDS,
        Severity.MEDIUM,
        "numbers, lengths and lists one beyond the bounds of the schema, and texts that its pattern does not match",
        "Values beyond the bounds of the schema are refused",
    ),
    _fault(
        Fault.ENUM,
        Severity.MEDIUM,
        "a value that is none of those listed, and one of them in other case",
        "Values that are none of those listed are refused",
    ),
    _fault(
        Fault.COERCION,
        Severity.LOW,
        'the text "41" for 41, true for 1, 41 for a text, the JSON text of a list for the list (never 1.0 for 1, which'
        " JSON Schema allows)",
        "Values of another type that read the same are refused",
        "validate strictly, without conversion: what the schema says and what is accepted are then the same",
    ),
    _fault(
        Fault.NULL,
        Severity.MEDIUM,
        "null where the schema does not allow it",
        "null is refused where the schema does not allow it",
    ),
    _fault(
        Fault.NESTED,
        Severity.MEDIUM,
        "the same faults inside lists and objects: a wrong element, first or last, and a property that is left out",
        "Faults inside lists and objects are refused",
    ),
    _fault(
        Fault.HUGE,
        Severity.MEDIUM,
        "texts of 200,000 characters, lists and objects of 5,000, numbers of 300 digits where the schema forbids them",
        "Huge values that the schema forbids are refused",
        "bound the bytes of a request, and validate before anything is converted or copied",
    ),
    Case(
        id="schema.shape",
        title="Arguments that are no object are refused",
        severity=Severity.LOW,
        sends="a list, a text, a number and true in place of the object of arguments",
        sound=_REFUSED,
        reference=spec("MCP schema, CallToolRequest: params.arguments is an object ({ [key: string]: unknown })"),
        remedy="check that params.arguments is an object before it is used as one",
        play=faults.shape,
        seconds=60.0,
    ),
    Case(
        id="schema.valid",
        title="Valid arguments at the edges of the schema do not break a tool",
        sends="valid arguments: the least, the greatest, the shortest, the longest, none of the optional ones and all",
        play=valid.at_the_edges,
        **_VALID,
    ),
    Case(
        id="schema.generated",
        title="Valid arguments that are made up at random do not break a tool",
        sends="valid arguments as hypothesis makes them up from the schema and the seed",
        eras=Eras.ONCE,
        play=valid.made_up,
        **_VALID,
    ),
    Case(
        id="schema.output",
        title="Structured results fit the output schema",
        severity=Severity.MEDIUM,
        sends="honest calls of the tools that have an output schema",
        sound="gives structuredContent that the schema allows",
        reference=spec(
            "MCP 2025-06-18 and later, server/tools, Output Schema:"
            ' "Servers MUST provide structured results that conform to this schema"'
        ),
        remedy="validate results against the outputSchema before they are sent, or make both from one type",
        play=outputs.output,
        seconds=60.0,
    ),
    Case(
        id="schema.remote-ref",
        title="No schema points out of itself",
        severity=Severity.MEDIUM,
        sends="nothing: the schemas of all tools are read for a $ref that leads elsewhere",
        sound="lists schemas that stand alone",
        reference=spec(
            "MCP 2026-07-28, basic, $ref Resolution: clients MUST NOT dereference it automatically, so that such a tool"
            " cannot be used; CVE-2026-39885",
        ),
        remedy="write what is referred to into $defs of the schema",
        play=outputs.remote_reference,
        advisories=("CVE-2026-39885",),
    ),
)
