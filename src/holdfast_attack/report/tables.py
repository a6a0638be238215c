"""The HTML page's full lists: the numbers of the scorecard, and every case by class with what came of it."""

from __future__ import annotations

from collections.abc import Sequence

from holdfast_attack.model.case import Kind
from holdfast_attack.model.outcome import Lane, Outcome, Report, Verdict
from holdfast_attack.model.scorecard import Row, scorecard, whole
from holdfast_attack.report.cards import from_server, named
from holdfast_attack.report.gathered import counted, percent
from holdfast_attack.report.markup import Markup, element, joined

_HEADINGS = ("Class", "Passed", "Failed", "Advice", "Not applicable", "Inconclusive", "Accepted", "Score")


def numbers(report: Report) -> Markup:
    """The scorecard as a table, which scrolls in its own box where it is too wide."""
    rows = [_row(row) for row in (*scorecard(report), whole(report))]
    head = element("tr", *(element("th", name, scope="col") for name in _HEADINGS))
    return element(
        "div",
        element("table", element("thead", head), element("tbody", *rows), class_="numbers"),
        class_="wide",
        tabindex="0",
    )


def _row(row: Row) -> Markup:
    counts = (row.passed, row.failed, row.advice, row.not_applicable, row.inconclusive, row.accepted)
    cells = [element("td", cell) for cell in (*map(str, counts), percent(row.score))]
    return element("tr", element("th", row.kind or "all", scope="row"), *cells)


def by_class(report: Report) -> list[Markup]:
    """A box for each class with an outcome."""
    return [
        _class(kind, of_kind)
        for kind in Kind
        if (of_kind := [outcome for outcome in report.outcomes if outcome.case.kind is kind])
    ]


def _class(kind: Kind, outcomes: Sequence[Outcome]) -> Markup:
    by_case: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        by_case.setdefault(outcome.case.id, []).append(outcome)
    items = [_case(each) for each in by_case.values()]
    count = element("span", counted(len(items), "case"))
    return element("div", element("h3", kind, count), element("ul", *items), class_="card cases")


def _case(outcomes: Sequence[Outcome]) -> Markup:
    case = outcomes[0].case
    about = element("div", element("code", case.id), element("div", case.title, class_="title"))
    came: dict[tuple[str, str], list[Lane]] = {}
    for outcome in outcomes:
        came.setdefault((_word(outcome), _why(outcome)), []).append(outcome.lane)
    lines = [_came(word, why, lanes, alone=len(came) == 1) for (word, why), lanes in came.items()]
    return element("li", about, element("div", *lines, class_="came"))


def _word(outcome: Outcome) -> str:
    return "accepted" if outcome.accepted else outcome.verdict.value


def _why(outcome: Outcome) -> str:
    return "" if outcome.verdict is Verdict.FAILED else outcome.why  # a failure is told in full above


def _came(word: str, why: str, lanes: Sequence[Lane], *, alone: bool) -> Markup:
    where = f"{len(lanes)} lanes" if alone and len(lanes) > 1 else named(lanes)
    about = joined(where, ": ", from_server(why)) if why else joined(where)
    return element("div", element("span", word, class_=word.replace(" ", "-")), " ", element("small", about))
