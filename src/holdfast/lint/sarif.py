"""Findings as a SARIF 2.1.0 log (OASIS, 2020), which code hosts and editors read."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote

from holdfast.lint.catalogue import Check, checks
from holdfast.lint.finding import Finding
from holdfast.lint.report import shown

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def as_sarif(findings: Sequence[Finding], base: Path, version: str) -> str:
    """The log, in ASCII. Files beneath ``base`` are named by their relative path (3.4.4)."""
    rules = list(checks().values())
    number = {check.code: index for index, check in enumerate(rules)}
    driver = {
        "name": "holdfast check",
        "version": version,
        "rules": [_rule(check) for check in rules],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",  # 3.14.17
        "results": [_result(finding, number[finding.code], base) for finding in findings],
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2, ensure_ascii=True)


def _rule(check: Check) -> dict[str, Any]:
    """A ``reportingDescriptor`` (3.49). A ``helpUri`` must be absolute (3.49.12): the page is in ``help``."""
    return {
        "id": check.code,
        "shortDescription": {"text": check.title},
        "fullDescription": {"text": check.why},
        "help": {"text": check.instead, "markdown": check.page()},
        "defaultConfiguration": {"level": check.level},
    }


def plain(text: str) -> str:
    """A message that is shown as it is: no placeholder (3.11.5), and no link of an author's making (3.11.6)."""
    return text.replace("{", "{{").replace("}", "}}").replace("](", "] (")


def _result(finding: Finding, index: int, base: Path) -> dict[str, Any]:
    """A ``result`` (3.27) with one physical location (3.29)."""
    place = finding.place
    name = shown(place.file, base)
    uri = (
        quote(os.fsencode(name))
        if not place.file.is_absolute() or place.file.is_relative_to(base)
        else place.file.as_uri()
    )
    return {
        "ruleId": finding.code,
        "ruleIndex": index,
        "level": finding.level,
        "message": {"text": plain(f"{finding.message}. {finding.check.instead}")},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": uri},
                    "region": {"startLine": place.line, "startColumn": place.column},
                }
            }
        ],
        "partialFingerprints": {  # 3.27.17: the same finding after lines above it have moved
            "holdfast/v1": sha256(f"{finding.code} {name} {finding.message}".encode("utf-8", "replace")).hexdigest()
        },
    }
