"""Runs every check over a server, takes out what is suppressed or not wanted, and puts the rest in order."""

from __future__ import annotations

from pathlib import Path

from holdfast.lint import cancelling, code, facts, flow, inputs, limits, names, pinned, secrets, suppress, texts
from holdfast.lint.catalogue import checks
from holdfast.lint.finding import Finding
from holdfast.lint.subject import Whole

ROUNDS = (
    inputs.find,
    flow.find,
    limits.find,
    facts.find,
    texts.find,
    names.find,
    secrets.find,
    code.find,
    cancelling.find,
)


def examine(
    whole: Whole,
    *,
    manifest: Path | None = None,
    select: frozenset[str] | None = None,
    ignore: frozenset[str] = frozenset(),
) -> list[Finding]:
    """Every finding, in the order of file, line, column and code.

    ``manifest`` is compared with when it is given; ``select`` and ``ignore`` are codes. Raises ``ConfigurationError``
    for a manifest that cannot be used.
    """
    found = [finding for look in ROUNDS for finding in look(whole)]
    if manifest is not None:
        found += pinned.find(whole, manifest)
    wanted = (frozenset(checks()) if select is None else select) - ignore
    absent = frozenset() if manifest is not None else frozenset(name for name in checks() if name.startswith("HF7"))
    found = suppress.applied(found, whole.sources.values(), wanted - absent)
    return sorted({finding for finding in found if finding.code in wanted}, key=Finding.sorting)
