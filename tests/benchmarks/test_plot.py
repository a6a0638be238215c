"""The plot is well-formed SVG for light and dark pages, and draws what was measured."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from plot import END, svg
from subjects import Subject

SVG = "{http://www.w3.org/2000/svg}"
SUBJECTS = [
    Subject("bare", "bare <SDK> & more", Path()),
    Subject("holdfast", "holdfast", Path()),
    Subject("fastmcp", "FastMCP", Path(), missing="not there"),
]
SERIES = {
    "sequential": {"bare": [100.0], "holdfast": [25.0]},
    "idle": {"bare": [60.0], "holdfast": [6000.0]},
    "tools_1": {"holdfast": [100.0]},
}


def drawn() -> ElementTree.Element:
    return ElementTree.fromstring(svg(SUBJECTS, SERIES, 'a "CPU" & <more>'))  # noqa: S314 - our own text


def bars(kind: str) -> list[float]:
    return [float(rect.get("width", 0)) for rect in drawn().iter(f"{SVG}rect") if rect.get("class") == kind]


def test_it_is_well_formed_whatever_a_label_or_caption_holds() -> None:
    words = [text.text for text in drawn().iter(f"{SVG}text")]
    assert "bare <SDK> & more" in words
    assert drawn().get("aria-label") == 'Ratios to the bare SDK. a "CPU" & <more>'


def test_it_follows_the_page_into_the_dark() -> None:
    assert "prefers-color-scheme: dark" in svg(SUBJECTS, SERIES, "")


def test_bars_are_as_long_as_the_ratios_and_cut_off_at_the_edge() -> None:
    (track, *_), (yardstick, _), (quarter, beyond) = bars("track"), bars("yardstick"), bars("ours")
    assert yardstick == track / END
    assert quarter == yardstick / 4
    assert beyond == track


def test_the_figure_of_a_bar_that_is_cut_off_is_still_told() -> None:
    assert "100.00x, 6,000 MiB" in [text.text for text in drawn().iter(f"{SVG}text")]


def test_only_scenarios_and_servers_that_were_measured_are_drawn() -> None:
    titles = [text.text for text in drawn().iter(f"{SVG}text") if text.get("class") == "title"]
    assert titles == ["stdio, one at a time", "memory after the first result"]
    assert "FastMCP" not in [text.text for text in drawn().iter(f"{SVG}text")]


def test_each_panel_shows_the_bar_that_holdfast_has_to_stay_below() -> None:
    lines = [line for line in drawn().iter(f"{SVG}line") if line.get("class") == "bar"]
    assert len(lines) == 2
