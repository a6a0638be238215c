"""What a case is, what comes of one, and how a run is scored: data only, nothing here talks to a server."""

from holdfast_attack.model.case import Backing, Case, Eras, Kind, Profile, Reference, Severity, Transport
from holdfast_attack.model.outcome import Finding, Lane, Outcome, Report, Subject, Verdict
from holdfast_attack.model.verdicts import Found, FoundSeveral, Inconclusive, NotApplicable

__all__ = [
    "Backing",
    "Case",
    "Eras",
    "Finding",
    "Found",
    "FoundSeveral",
    "Inconclusive",
    "Kind",
    "Lane",
    "NotApplicable",
    "Outcome",
    "Profile",
    "Reference",
    "Report",
    "Severity",
    "Subject",
    "Transport",
    "Verdict",
]
