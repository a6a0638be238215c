"""The dependency audit: what it prints is worth something only while it sees a known weakness."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[2] / "security" / "audit.py"


def _loaded() -> Any:
    spec = spec_from_file_location("audit", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


audit = _loaded()
# as pip-audit 2.10 writes them
SEEN = {
    "dependencies": [
        {
            "name": "mcp",
            "version": "1.9.0",
            "vulns": [{"id": "CVE-2025-53366", "fix_versions": ["1.9.4"], "aliases": []}],
        }
    ],
    "fixes": [],
}
NOT_SEEN = {"dependencies": [{"name": "mcp", "version": "1.9.0", "vulns": []}], "fixes": []}
SKIPPED = {
    "dependencies": [{"name": "mcp", "skip_reason": "Dependency not found and could not be audited"}],
    "fixes": [],
}
GOOD = {"dependencies": [{"name": "anyio", "version": "4.16.0", "vulns": []}], "fixes": []}


@pytest.mark.parametrize("canary", [NOT_SEEN, SKIPPED, None, {}, []])
def test_an_audit_that_does_not_know_the_canary_is_blind_however_clean_its_report(canary: Any) -> None:
    status, lines = audit.judge(canary, GOOD)
    assert status == audit.BLIND
    assert "blind" in lines[0]


@pytest.mark.parametrize("lock", [None, {"dependencies": []}])
def test_an_audit_that_saw_no_package_is_blind_too(lock: Any) -> None:
    assert audit.judge(SEEN, lock)[0] == audit.BLIND


def test_a_finding_is_named_with_the_release_that_mends_it() -> None:
    assert audit.judge(SEEN, SEEN) == (audit.KNOWN, ["mcp 1.9.0: CVE-2025-53366, mended in 1.9.4"])


def test_a_package_that_was_not_audited_is_no_clean_one() -> None:
    assert audit.judge(SEEN, SKIPPED) == (audit.KNOWN, ["mcp: not audited"])


def test_nothing_known_is_said_with_the_number_of_packages() -> None:
    status, lines = audit.judge(SEEN, GOOD)
    assert status == audit.CLEAN
    assert lines == ["1 locked packages, no published advisory; the canary was seen"]


@pytest.mark.parametrize("canary, lock, status", [(SEEN, GOOD, 0), (NOT_SEEN, GOOD, 3), (SEEN, SEEN, 1)])
def test_the_script_ends_with_the_verdict(tmp_path: Path, canary: Any, lock: Any, status: int) -> None:
    program = tmp_path / "pip-audit"
    program.write_text(
        f"#!{sys.executable}\nimport sys\nprint({json.dumps(json.dumps(lock))} if '--require-hashes' in sys.argv else "
        f"{json.dumps(json.dumps(canary))})\n"
    )
    program.chmod(0o755)
    ran = subprocess.run(
        [sys.executable, SCRIPT, program, tmp_path / "lock"], capture_output=True, text=True, check=False
    )
    assert ran.returncode == status, ran.stderr


def test_a_program_that_says_nothing_shows_nothing(tmp_path: Path) -> None:
    program = tmp_path / "pip-audit"
    program.write_text("#!/bin/sh\necho 'No known vulnerabilities found' >&2\n")
    program.chmod(0o755)
    ran = subprocess.run(
        [sys.executable, SCRIPT, program, tmp_path / "lock"], capture_output=True, text=True, check=False
    )
    assert ran.returncode == audit.BLIND
