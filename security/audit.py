"""Audit the locked packages against published advisories, and prove first that the audit can see one.

    python security/audit.py PIP_AUDIT LOCK [--service pypi|osv] [--osv-url URL]

A canary, a release with a published advisory, is audited first: with no advisories to be had pip-audit was seen to say
"No known vulnerabilities found" and to end with status 0. Exit status: 0 nothing known, 1 something known or not
audited, 3 the audit is blind (it does not know the canary).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

CANARY: Final = ("mcp", "1.9.0")
"""CVE-2025-53366: a malformed message ends the server; mended in 1.9.4."""
CLEAN, KNOWN, BLIND = 0, 1, 3
PATIENCE: Final = 300
"""Seconds for one audit of about a hundred packages."""


def main() -> int:
    """Audit the canary, then the lock."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("pip_audit", type=Path)
    parser.add_argument("lock", type=Path)
    parser.add_argument("--service", choices=("pypi", "osv"), default="pypi")
    parser.add_argument("--osv-url")
    options = parser.parse_args()
    service = ["--vulnerability-service", options.service]
    service += ["--osv-url", options.osv_url] if options.osv_url else []
    with tempfile.TemporaryDirectory() as folder:
        canary = Path(folder, "canary.txt")
        canary.write_text("==".join(CANARY) + "\n")
        seen = _report(options.pip_audit, ["--requirement", str(canary), "--no-deps", *service])
    lock = _report(options.pip_audit, ["--requirement", str(options.lock), "--require-hashes", *service])
    status, lines = judge(seen, lock)
    sys.stdout.write("\n".join(lines) + "\n")
    return status


def judge(canary: Any, lock: Any) -> tuple[int, list[str]]:
    """The verdict over two reports of ``pip-audit --format json`` (``None``: it gave none), and what to print."""
    if not any(entry.get("vulns") for entry in _entries(canary)):
        return BLIND, [
            f"the audit is blind: it does not know that {' '.join(CANARY)} has an advisory; nothing is shown"
        ]
    entries = list(_entries(lock))
    if not entries:
        return BLIND, ["the audit saw no locked package; nothing is shown"]
    findings = [line for entry in entries for line in _findings(entry)]
    if findings:
        return KNOWN, findings
    return CLEAN, [f"{len(entries)} locked packages, no published advisory; the canary was seen"]


def _entries(report: Any) -> Iterator[dict[str, Any]]:
    if isinstance(report, dict):
        yield from report.get("dependencies", ())


def _findings(entry: dict[str, Any]) -> Iterator[str]:
    if "skip_reason" in entry:
        yield f"{entry['name']}: not audited"
    for found in entry.get("vulns", ()):
        mended = ", ".join(found["fix_versions"]) or "no release yet"
        yield f"{entry['name']} {entry['version']}: {found['id']}, mended in {mended}"


def _report(pip_audit: Path, arguments: Sequence[str]) -> Any:
    """What pip-audit found, or ``None`` when it could not look; its status alone tells neither."""
    command = [str(pip_audit), *arguments, "--disable-pip", "--format", "json", "--progress-spinner", "off"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)  # noqa: S603
    try:
        return json.loads(ran.stdout)
    except ValueError:
        return None


if __name__ == "__main__":
    raise SystemExit(main())
