"""How a run is told: live progress, the scorecard in a terminal, files for programs, and one page for people."""

from holdfast_attack.report.accepting import Baseline, Known, accept, baseline_of, stale
from holdfast_attack.report.asjson import as_json, document
from holdfast_attack.report.gathered import reproduction
from holdfast_attack.report.html import as_html
from holdfast_attack.report.junit import as_junit
from holdfast_attack.report.progress import Live, Plain, Progress, Silent, progress_for
from holdfast_attack.report.sarif import as_sarif

__all__ = [
    "Baseline",
    "Known",
    "Live",
    "Plain",
    "Progress",
    "Silent",
    "accept",
    "as_html",
    "as_json",
    "as_junit",
    "as_sarif",
    "baseline_of",
    "document",
    "progress_for",
    "reproduction",
    "stale",
]
