"""The tables and the section of the README show what was measured, and say what was not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from record import Run, as_json, regenerate, section
from subjects import Subject
from table import markdown, painted_verdict, tables, text, unmeasured

HERE = Path(__file__)
SUBJECTS = [
    Subject("bare", "bare SDK", HERE),
    Subject("holdfast", "holdfast", HERE),
    Subject("fastmcp", "FastMCP", HERE, missing="not there"),
]
SERIES = {
    "sequential": {"bare": [1000.0, 1200.0], "holdfast": [250.0, 300.0]},
    "idle": {"bare": [60.0], "holdfast": [120.0]},
    "tools_1": {"holdfast": [100.0]},
    "tools_1000": {"holdfast": [105.0]},
    "chain": {"holdfast": [39.0]},
    "alone_rate": {"holdfast": [3.5]},
    "without_rate": {"holdfast": [3.0]},
}
MACHINE = {
    "date": "2026-01-02",
    "cpu": "CPU",
    "cores": "2",
    "kernel": "Linux 6",
    "python": "CPython 3.11",
    "libraries": "mcp 2.3.0",
    "load": "0.1",
    "speeders": "uvloop 1 and httptools 2",
}
RUN = Run(SUBJECTS, SERIES, 2, MACHINE)


def test_a_table_has_a_row_for_each_server_and_a_column_for_each_metric_that_was_measured() -> None:
    told = text(tables(SUBJECTS, SERIES), colour=False)
    rows = [" ".join(line.split()) for line in told.splitlines()]
    assert rows[2:5] == ["bare SDK 1,100 us, 1.00x", "holdfast 275 us, 0.25x", "FastMCP not measured"]
    assert len({len(line) for line in told.splitlines()[1:5]}) == 1  # aligned
    assert "in flight" not in told
    assert "HTTP" not in told


def test_growth_and_guards_have_tables_of_their_own() -> None:
    told = markdown(tables(SUBJECTS, SERIES))
    assert "| 1,000 | 105 us, 1.05x |" in told
    assert "| rate | 3.5 us | 3.0 us |" in told
    assert "| the whole default chain over it, audited | 39.0 us |" in told


def test_colour_tells_faster_from_slower_and_is_left_out_elsewhere() -> None:
    told = text(tables(SUBJECTS, SERIES), colour=True)
    assert f"\033[32m{'275 us, 0.25x':>20}\033[0m" in told
    assert f"\033[31m{'120 MiB, 2.00x':>20}\033[0m" in told
    assert "\033" not in text(tables(SUBJECTS, SERIES), colour=False)


@pytest.mark.parametrize(
    "outcome, paint", [("met", 32), ("met, stretch too", 32), ("not met", 31), ("not measured", 2)]
)
def test_a_verdict_is_green_only_when_the_bar_is_met(outcome: str, paint: int) -> None:
    line = f"stdio 0.1 (bar 0.2): {outcome}"
    assert painted_verdict(line, colour=True) == f"\033[{paint}m{line}\033[0m"
    assert painted_verdict(line, colour=False) == line


def test_what_is_missing_is_said() -> None:
    assert unmeasured(SUBJECTS) == ["FastMCP was not measured: not there"]


def test_the_section_names_machine_date_accelerators_bars_plot_and_what_is_missing() -> None:
    told = section(RUN, "results/2026-01-02.svg")
    assert told.startswith("Measured on 2026-01-02: CPU, 2 cores, Linux 6, CPython 3.11; mcp 2.3.0. 2 rounds. ")
    assert "uvicorn's accelerators: uvloop 1 and httptools 2." in told
    assert "![Ratios of every server to the bare SDK](results/2026-01-02.svg)" in told
    assert "- stdio sequential 0.25x (bar 0.25, stretch 0.15): met" in told
    assert told.endswith("FastMCP was not measured: not there")
    assert "![" not in section(RUN, None)


def test_the_record_holds_every_lap_and_what_came_of_them() -> None:
    told = json.loads(as_json(RUN))
    assert told["laps"] == SERIES
    assert told["figures"]["holdfast"]["idle"] == {"value": 120.0, "ratio": 2.0}
    assert told["figures"]["holdfast"]["chain"] == {"value": 39.0, "ratio": None}
    assert told["not_measured"] == {"fastmcp": "not there"}


def test_only_what_stands_between_the_markers_is_replaced(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("before\n<!-- figures: begin -->\nstale\n<!-- figures: end -->\nafter\n")
    regenerate(readme, "fresh")
    assert readme.read_text() == "before\n<!-- figures: begin -->\nfresh\n<!-- figures: end -->\nafter\n"


def test_a_readme_without_markers_is_left_alone(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("nothing here\n")
    with pytest.raises(ValueError, match="markers"):
        regenerate(readme, "fresh")
    assert readme.read_text() == "nothing here\n"
