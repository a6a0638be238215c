"""The benchmark of supervision: three ways side by side, every answer checked, and a verdict that can be red."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import supervised
from relay import Table
from stdio_client import Load
from supervised import ALONE, BAR, FIGURES, KEPT, RELAYED, Measured, main, table, verdict

RELAY = Path(__file__).resolve().parents[2] / "benchmarks" / "relay.py"
ECHO = "import sys\nfor line in sys.stdin: print(line, end='', flush=True)\nsys.exit(3)"


def measured(kept: float, relayed: float) -> Measured:
    """Two laps, the second in a machine that is twice as slow."""
    found = Measured()
    for slow in (1.0, 2.0):
        for way, seconds in ((ALONE, 1.0), (KEPT, kept), (RELAYED, relayed)):
            for in_flight in (1, 64):
                found.add(way, in_flight, Load(1_000, seconds * slow, seconds * slow))
    return found


@pytest.mark.parametrize("kept, relayed, missed", [(1.05, 1.3, 0), (BAR + 0.01, 1.3, 4), (1.05, 1.01, 2)])
def test_a_run_is_good_when_the_bar_is_met_and_no_relay_is_cheaper(kept: float, relayed: float, missed: int) -> None:
    found = measured(kept, relayed)
    assert len(verdict(found)) == missed
    assert found.value(KEPT, "cpu_1") == pytest.approx(kept * 1_500)
    assert found.spread(KEPT, "wall_64") == pytest.approx((kept, kept)), "a ratio is one within a lap"


def test_three_ways_are_measured_with_every_figure_of_each(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervised, "SETTLING", 0.3)  # figures are not the point here
    status = main(["--rounds", "1", "--laps", "1", "--calls", "64"])
    told = capsys.readouterr().out
    assert status in (0, 1)
    assert all(label in told for label in FIGURES.values())
    rows = [line for line in told.splitlines() if line.count(" us, ") == len(FIGURES)]
    assert len(rows) == 3
    assert rows[0].count("1.00x") == len(FIGURES)


def test_the_table_says_between_which_ratios_half_of_the_laps_lie() -> None:
    assert "1,650 us, 1.10x (1.10 to 1.10)" in list(table(measured(1.1, 1.3)))[3]


def test_the_relay_passes_on_both_ways_and_ends_as_its_command_does() -> None:
    ran = subprocess.run(
        [sys.executable, str(RELAY), sys.executable, "-c", ECHO],
        input=b"one\n" + b"x" * 100_000 + b"\ntwo\n",
        capture_output=True,
        check=False,
        timeout=30,
    )
    assert ran.stdout == b"one\n" + b"x" * 100_000 + b"\ntwo\n"
    assert ran.returncode == 3


def test_the_relay_keeps_a_request_until_its_answer_has_come_whole() -> None:
    kept = Table()
    kept.asked(b'{"jsonrpc":"2.0","id":1,"method":"a"}\n{"id": "x", "method": "b"}\n{"jsonrpc":"2.0","method":"c"}\nno')
    assert list(kept.waiting) == [b"1", b'"x"']
    kept.told(b'{"jsonrpc":"2.0","id":1,"res')
    assert list(kept.waiting) == [b"1", b'"x"']
    kept.told(b'ult":{}}\n{"error":{},"id":"x"}\n{"id":9,"method":"ask"}\n[]\n')
    assert list(kept.waiting) == []


def test_a_relay_waits_for_a_client_that_does_not_read() -> None:
    from relay import write

    source, sink = os.pipe()
    writer = threading.Thread(target=write, args=(sink, b"x" * 300_000))
    writer.start()
    received = b""
    while len(received) < 300_000:
        received += os.read(source, 65_536)
    writer.join()
    assert received == b"x" * 300_000
    for end in (source, sink):
        os.close(end)
