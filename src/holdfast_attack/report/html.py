"""The report as one HTML page that needs nothing else: no script, no other file, and nothing of a server is markup."""

from __future__ import annotations

import shlex
from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256
from importlib.resources import files

from holdfast_attack.model.outcome import Report, Verdict
from holdfast_attack.model.scorecard import whole
from holdfast_attack.report import cards, picture, tables
from holdfast_attack.report.gathered import (
    Entry,
    accepted,
    counted,
    duration,
    ended,
    failed,
    lanes,
    subject_name,
    totals,
    when,
)
from holdfast_attack.report.markup import Markup, element, joined, text

_HEADLINE = 160
"""Characters of the headline."""


def as_html(report: Report) -> str:
    """The whole page. Its policy lets a browser load nothing and obey this one style sheet only (CSP 3, 2.3.1)."""
    style = files("holdfast_attack.report").joinpath("page.css").read_text("utf-8")
    trusted = b64encode(sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{trusted}'; base-uri 'none'; form-action 'none'"
    head = (
        '<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f"<title>{text('holdfast attack: ' + subject_name(report))}</title>\n"
        f"<style>{style}</style>"
    )
    return f'<!DOCTYPE html>\n<html lang="en">\n<head>\n{head}\n</head>\n<body>\n{_main(report)}\n</body>\n</html>\n'


def _main(report: Report) -> Markup:
    sections = [part for part in _parts(report) if part[2]]
    contents = [
        joined(element("a", f"{title} ({len(bodies)})" if many else title, href=f"#{anchor}"), " ")
        for anchor, title, bodies, _, many in sections
    ]
    return element(
        "main",
        _opening(report),
        element("nav", *contents) if contents else "",
        *(_section(anchor, title, under, bodies) for anchor, title, bodies, under, _ in sections),
        _closing(report),
    )


def _parts(report: Report) -> list[tuple[str, str, Sequence[Markup], str, bool]]:
    """Anchor, title, bodies, a line beneath the title, and whether the bodies are counted."""
    found, advised = failed(report), ended(report, Verdict.ADVICE)
    undecided, known = ended(report, Verdict.INCONCLUSIVE), accepted(report)
    return [
        ("findings", "Findings", [cards.card(each, report) for each in found], "Worst first.", True),
        ("advice", "Advice", [cards.advice(each) for each in advised], "Not scored.", True),
        ("inconclusive", "Inconclusive", _briefly(undecided), "Kept from being tried, or from being judged.", True),
        ("accepted", "Accepted", _briefly(known), "Known to the baseline: not scored.", True),
        ("cases", "All cases", tables.by_class(report), "What came of each, by class.", False),
    ]


def _briefly(entries: Sequence[Entry]) -> list[Markup]:
    return [cards.brief(each) for each in entries]


def _section(anchor: str, title: str, under: str, bodies: Sequence[Markup]) -> Markup:
    return element("section", element("h2", title), element("p", under, class_="under"), *bodies, id=anchor)


def _opening(report: Report) -> Markup:
    notes = [element("li", cards.from_server(note)) for note in report.notes]
    return element(
        "header",
        element("p", "holdfast attack ", report.tool_version, class_="over"),
        element("h1", cards.from_server(subject_name(report), _HEADLINE)),
        element("p", _verdict(report), class_="verdict"),
        element("ul", *notes, class_="notes") if notes else "",
        element("div", _scorecard(report), _facts(report), class_="hero"),
    )


def _verdict(report: Report) -> str:
    found = failed(report)
    if found:
        worst = found[0].case.severity.name.lower()
        of = f"{len(found)} of {counted(len({outcome.case.id for outcome in report.outcomes}), 'case')} failed"
        return f"{of}; the worst is {worst}."
    return "No case failed." if whole(report).passed else "Nothing was judged."


def _scorecard(report: Report) -> Markup:
    row = whole(report)
    counts = picture.counts(row)
    items = [
        element("li", element("span", f"{counts[key]} {name}", class_=key))
        for key, name in picture.SEGMENTS
        if counts[key] or key in ("passed", "failed")
    ]
    if not report.outcomes:
        return element("div", "Nothing was played.", class_="card")
    numbers = element("details", element("summary", "The numbers"), tables.numbers(report))
    on = element("li", element("small", f"cases on {counted(len(lanes(report)), 'lane')}"))
    score = element("div", picture.ring(row), element("ul", *items, on, class_="came"), class_="score")
    return element("div", score, picture.bars(report), numbers, class_="card")


def _facts(report: Report) -> Markup:
    subject = report.subject
    facts = (
        ("Server", " ".join(filter(None, (subject.name, subject.version)))),
        ("Address", subject.url),
        ("Command", shlex.join(subject.command)),
        ("Protocol", ", ".join(subject.versions)),
        ("Tools", str(subject.tools)),
        ("Lanes", cards.named(lanes(report))),
        ("When", when(report)),
        ("Took", duration(report)),
        ("Profile", report.profile.value),
        ("Seed", str(report.seed)),
        ("Made with", ", ".join(f"{name} {value}" for name, value in report.environment.items())),
    )
    shown = [(name, cards.from_server(fact)) for name, fact in facts if fact]
    again = [("Again", cards.command(report.reproduce))] if report.reproduce else []
    return element("div", cards.definitions([*shown, *again], "facts"), class_="card")


def _closing(report: Report) -> Markup:
    return element("footer", f"{totals(report)}; {duration(report)}. Seed {report.seed}.")
