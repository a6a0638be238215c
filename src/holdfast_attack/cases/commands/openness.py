"""Which tools say of themselves that they run whatever is sent: those are judged by what goes beyond that."""

from __future__ import annotations

import re

from holdfast_attack.cases.aiming import Aim

_OPEN = re.compile(
    r"\b(?:shell|bash|zsh|powershell|terminal|repl|interpreter)\b"
    r"|\b(?:any|arbitrary) (?:\w+ )?(?:command|code|program|script)s?\b"
    r"|\b(?:run|execute)s? (?:a |the )?(?:python|javascript|node) code\b",
    re.IGNORECASE,
)
_LIMITED = re.compile(
    r"\b(?:allow(?:ed|list|-list| list)?|whitelist(?:ed)?|permitted|restrict(?:ed|s)?|only)\b"
    r"|\b(?:safe(?:ly)?|sandbox(?:ed)?)\b",
    re.IGNORECASE,
)
LONGEST = 4_000
"""Characters of a description that are looked at."""


def is_open_shell(aim: Aim) -> bool:
    """A tool for running anything, which says so and promises no limit."""
    told = f"{aim.tool.name} {aim.tool.title} {aim.tool.description} {aim.parameter.schema.get('description', '')}"
    told = told.replace("_", " ")[:LONGEST]
    return _OPEN.search(told) is not None and _LIMITED.search(told) is None
