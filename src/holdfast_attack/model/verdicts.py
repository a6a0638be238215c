"""How a case ends other than by passing: raised by what plays it."""

from __future__ import annotations

from holdfast_attack.model.outcome import Finding


class Found(Exception):
    """The server did what a sound one does not. ``tool`` and the bytes are evidence; one case may hold several."""

    def __init__(self, what: str, *, tool: str | None = None, sent: bytes = b"", got: bytes = b"") -> None:
        super().__init__(what)
        self.findings: tuple[Finding, ...] = (Finding(what, tool, sent, got),)


class FoundSeveral(Found):
    """More than one finding of one case, such as one for each tool."""

    def __init__(self, findings: tuple[Finding, ...]) -> None:
        super().__init__(findings[0].what)
        self.findings = findings


class NotApplicable(Exception):
    """There is nothing that this could be tried on; the message says what is missing. Never counts as passed."""


class Inconclusive(Exception):
    """It was kept from being tried, or from being judged; the message says by what. Never counts as passed."""
