"""The plot: ratios to the bare SDK as bars, one panel for each scenario, as SVG that reads well on light and dark."""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import escape, quoteattr

from bars import BARS
from figures import HOLDFAST, HTTP, START, STDIO, Figure, Metric, Series, figures
from subjects import YARDSTICK, Subject

PANELS: tuple[tuple[Metric, str], ...] = (
    *((metric, metric.title) for metric in STDIO),
    *((metric, f"HTTP {metric.title}") for metric in HTTP),
    (START[1], "cold start, to the first result"),
    (START[2], "memory after the first result"),
)
WIDTH, COLUMNS, GAP, TOP = 920, 2, 24, 58
ROW, HEAD, LABEL, FIGURE = 17, 30, 172, 92
"""Pixels: height of a bar's row and of a panel's title; width of a server's name and of its figure."""
END = 2.0
"""The ratio at the right edge; longer bars are cut off there, and their figure tells how long they are."""
STYLE = """
text { font: 12px system-ui, sans-serif; fill: #1f2328; }
.title { font-weight: 600; } .big { font: 600 15px system-ui, sans-serif; } .small { fill: #59636e; font-size: 11px; }
.track { fill: #eaeef2; } .other { fill: #9aa4af; } .ours { fill: #0a7d55; } .yardstick { fill: #59636e; }
.bar { stroke: #cf222e; stroke-width: 1.5; stroke-dasharray: 3 2; }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3; } .small { fill: #9198a1; }
.track { fill: #262c36; } .other { fill: #656f7b; } .ours { fill: #3fb887; } .yardstick { fill: #9198a1; }
.bar { stroke: #ff7b72; }
}
"""


def svg(subjects: Sequence[Subject], series: Series, caption: str) -> str:
    """The whole picture; scenarios and servers that were not measured are left out."""
    found = figures(series)
    shown = [subject for subject in subjects if subject.name in found]
    panels = [(metric, title) for metric, title in PANELS if YARDSTICK in series.get(metric.key, {})]
    height_of_panel = HEAD + ROW * len(shown) + GAP
    height = TOP + height_of_panel * -(-len(panels) // COLUMNS)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        f'role="img" aria-label={quoteattr("Ratios to the bare SDK. " + caption)}>',
        f"<style>{STYLE}</style>",
        '<text class="big" x="0" y="18">Time, start and memory against the bare SDK: less is better</text>',
        f'<text class="small" x="0" y="36">{escape(caption)}; dashes: the bar that holdfast has to stay below</text>',
    ]
    for number, (metric, title) in enumerate(panels):
        x = (number % COLUMNS) * (WIDTH + GAP) // COLUMNS
        y = TOP + (number // COLUMNS) * height_of_panel
        rows = [(subject, found[subject.name].get(metric.key)) for subject in shown]
        parts += _panel(metric, title, rows, (x, y))
    return "\n".join([*parts, "</svg>", ""])


def _panel(
    metric: Metric, title: str, rows: Sequence[tuple[Subject, Figure | None]], corner: tuple[int, int]
) -> list[str]:
    x, y = corner
    wide = (WIDTH - GAP) // COLUMNS - LABEL - FIGURE
    left, top = x + LABEL, y + HEAD - ROW + 8
    parts = [f'<text class="title" x="{x}" y="{y + 12}">{escape(title)}</text>']
    for number, (subject, figure) in enumerate(rows):
        if figure is None or figure.ratio is None:
            continue
        at = top + number * ROW
        long = max(1.0, min(figure.ratio, END) / END * wide)
        parts += [
            f'<text x="{x}" y="{at + 10}">{escape(_short(subject.label))}</text>',
            f'<rect class="track" x="{left}" y="{at}" width="{wide}" height="{ROW - 5}" rx="2"/>',
            f'<rect class="{_kind(subject)}" x="{left}" y="{at}" width="{long:.1f}" height="{ROW - 5}" rx="2"/>',
            f'<text class="small" x="{left + wide + 6}" y="{at + 10}">'
            f"{figure.ratio:.2f}x, {figure.value:,.0f} {metric.unit}</text>",
        ]
    limit = next((bar.limit for bar in BARS if bar.over == (metric.key, HOLDFAST) and bar.under is not None), None)
    if limit is not None:
        place, bottom = left + limit / END * wide, top + len(rows) * ROW - 4
        parts.append(f'<line class="bar" x1="{place:.1f}" y1="{top - 3}" x2="{place:.1f}" y2="{bottom}"/>')
    return parts


def _short(label: str) -> str:
    return label.replace(" with middleware", " + middleware").replace(", every guard, audited", ", every guard")


def _kind(subject: Subject) -> str:
    return "yardstick" if subject.name == YARDSTICK else "ours" if subject.name.startswith("holdfast") else "other"
