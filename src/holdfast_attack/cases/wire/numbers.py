"""Numbers that JSON does not have, and numbers that are too long."""

from __future__ import annotations

from holdfast_attack.cases.wire.malformed import SILENT
from holdfast_attack.cases.wire.sends import ANSWERED, lists, plays
from holdfast_attack.model import Case, Severity
from holdfast_attack.model.case import STDIO, measured, spec

DIGITS = 5_000
"""CPython raises an error of its own beyond 4,300 digits (sys.set_int_max_str_digits)."""
NOT_FINITE = "RFC 8259, section 6: numbers that are not finite, such as Infinity and NaN, are not permitted"

CASES = (
    Case(
        id="wire.nan",
        title="NaN in a message",
        severity=Severity.MEDIUM,
        sends="honest requests with the words NaN and -NaN in the place of a value",
        sound="refuses them with an error",
        reference=spec(f"{NOT_FINITE}; JSON-RPC 2.0, section 5.1: -32700"),
        remedy="parse strictly: a NaN compares as false with every bound that a tool checks",
        play=plays(lists("the word NaN as a value", b"NaN"), lists("the word -NaN as a value", b"-NaN")),
        transports=STDIO,
        seconds=45.0,
    ),
    Case(
        id="wire.infinity",
        title="Infinity in a message",
        severity=Severity.MEDIUM,
        sends="honest requests with the words Infinity and -Infinity in the place of a value, and the number 1e999",
        sound="refuses the words with an error; the number, which only is too large for a double, is answered",
        reference=spec(f"{NOT_FINITE}; JSON-RPC 2.0, section 5.1: -32700"),
        remedy="parse strictly, and refuse what does not fit a double",
        play=plays(
            lists("the word Infinity as a value", b"Infinity"),
            lists("the word -Infinity as a value", b"-Infinity"),
            lists("the number 1e999", b"1e999", ANSWERED),
        ),
        transports=STDIO,
        seconds=45.0,
    ),
    Case(
        id="wire.big-integer",
        title="An integer of 5,000 digits",
        severity=Severity.MEDIUM,
        sends=f"honest requests with an integer of {DIGITS:,} digits in them",
        sound="answers: with a result, or with an error that says it is too long (RFC 8259, section 6, allows limits)",
        reference=measured(f"CPython refuses to read such a number with an error of its own; {SILENT}"),
        remedy="answer with -32700 when the parser gives up, whatever it raises",
        play=plays(
            lists(f"an integer of {DIGITS:,} digits", b"7" * DIGITS, ANSWERED),
            lists(f"a negative integer of {DIGITS:,} digits in a list", b"[-%s]" % (b"7" * DIGITS), ANSWERED),
        ),
        transports=STDIO,
        seconds=45.0,
    ),
)
