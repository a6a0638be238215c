"""Metrics: a registry of their own, bounded labels, numbers read when asked."""

from __future__ import annotations

import builtins
import os
import threading
from typing import Any

import pytest

from holdfast.observe import metrics as metrics_module
from holdfast.observe import process
from holdfast.observe.metrics import Metrics


def samples(metrics: Metrics) -> dict[str, float]:
    text, _ = metrics.render()
    rows = (line.rpartition(" ") for line in text.decode().splitlines() if not line.startswith("#"))
    return {name: float(value) for name, _, value in rows}


def test_a_call_is_counted_by_tool_and_outcome_with_its_duration() -> None:
    metrics = Metrics()
    tool = metrics.for_tool("read_note")
    tool.started()
    tool.started()
    assert samples(metrics)['holdfast_in_flight{tool="read_note"}'] == 2
    tool.ended("ok", 0.02)
    tool.ended("deadline.exceeded", 3)
    tool.ended("ok", 0.02)
    tool.refused("rate", "rate.limited")
    tool.queued(3)
    found = samples(metrics)
    assert found['holdfast_calls_total{outcome="ok",tool="read_note"}'] == 2
    assert found['holdfast_calls_total{outcome="deadline.exceeded",tool="read_note"}'] == 1
    assert found['holdfast_call_seconds_bucket{le="0.025",tool="read_note"}'] == 2
    assert found['holdfast_refusals_total{code="rate.limited",guard="rate"}'] == 1
    assert found['holdfast_queued{tool="read_note"}'] == 3
    assert not [name for name in found if "_created" in name]


def test_the_same_tool_is_resolved_once() -> None:
    metrics = Metrics()
    assert metrics.for_tool("a") is metrics.for_tool("a")


def test_labels_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics_module, "MAX_OUTCOMES", 3)
    monkeypatch.setattr(metrics_module, "MAX_REFUSALS", 3)
    monkeypatch.setattr(metrics_module, "MAX_NAMES", 3)
    metrics = Metrics(max_tools=3)
    for number in range(20):
        tool = metrics.for_tool(f"tool{number}")
        tool.started()
        metrics.refused("guard", f"code{number}")
        metrics.redacted(f"rule{number}", 2)
        metrics.event(f"kind{number}")
        metrics.audited("written")
        metrics.watch(f"number{number}", lambda: 1.0)
        metrics.for_tool("tool0").ended(f"outcome{number}", 0.1)
    found = samples(metrics)
    assert found['holdfast_in_flight{tool="other"}'] == 17
    assert found['holdfast_refusals_total{code="other",guard="other"}'] == 17
    assert found['holdfast_redactions_total{rule="other"}'] == 34
    assert found['holdfast_events_total{kind="other"}'] == 17
    assert found['holdfast_calls_total{outcome="other",tool="tool0"}'] == 17
    assert len([name for name in found if name.startswith("holdfast_number")]) == 3
    assert len(found) < 200


def test_a_tool_may_have_a_few_gauges_of_its_own_and_a_broken_one_costs_nothing_else() -> None:
    metrics, numbers = Metrics(), [1.0]
    metrics.for_tool("a").watch("rate_share", lambda: numbers[0])
    metrics.for_tool("b").watch("rate_share", lambda: 0.5)
    metrics.for_tool("b").watch("broken", lambda: 1 / 0)
    numbers[0] = 0.25
    for number in range(20):
        metrics.for_tool("c").watch(f"number{number}", lambda: 1.0)
    found = samples(metrics)
    assert (found['holdfast_rate_share{tool="a"}'], found['holdfast_rate_share{tool="b"}']) == (0.25, 0.5)
    assert len([name for name in found if name.startswith("holdfast_number")]) == metrics_module.MAX_OWN
    assert not [name for name in found if name.startswith("holdfast_broken")]


def test_two_instances_share_nothing() -> None:
    first, second = Metrics(), Metrics()
    first.for_tool("a").started()
    assert 'holdfast_in_flight{tool="a"}' not in samples(second)


def test_the_process_and_watched_numbers_are_read_on_each_scrape() -> None:
    metrics = Metrics()
    numbers = [1.0]
    metrics.watch("log_records_lost", lambda: numbers[0])
    metrics.watch("broken", lambda: 1 / 0)
    before = samples(metrics)
    numbers[0] = 5
    held = os.open(os.devnull, os.O_RDONLY)
    after = samples(metrics)
    os.close(held)
    assert (before["holdfast_log_records_lost"], after["holdfast_log_records_lost"]) == (1, 5)
    assert after["holdfast_process_open_fds"] == before["holdfast_process_open_fds"] + 1
    assert after["holdfast_process_resident_memory_bytes"] > 10**6
    assert after["holdfast_process_threads"] >= 1
    assert "holdfast_broken" not in after


def test_the_content_type_is_that_of_the_text_format() -> None:
    _, kind = Metrics().render()
    assert kind.startswith("text/plain; version=0.0.4")


def test_the_snapshot_sums_up_for_health() -> None:
    metrics = Metrics()
    for name in ("a", "b"):
        metrics.for_tool(name).started()
    metrics.for_tool("a").ended("ok", 0.1)
    metrics.refused("rate", "rate.limited")
    metrics.lag(0.25)
    metrics.orphans.inc()
    metrics.zombies.set(2)
    assert metrics.snapshot() == {
        "calls": 1,
        "refusals": 1,
        "in_flight": 1,
        "queued": 0,
        "loop_lag_seconds": 0.25,
        "orphans": 1,
        "zombies": 2,
    }
    assert samples(metrics)["holdfast_loop_lag_seconds_count"] == 1


def test_without_proc_memory_comes_from_psutil_and_descriptors_are_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    real_open, real_list = builtins.open, os.listdir

    def no_proc_open(path: Any, *rest: Any, **named: Any) -> Any:
        if path == "/proc/self/statm":
            raise FileNotFoundError(path)
        return real_open(path, *rest, **named)

    def no_proc_list(path: Any) -> Any:
        if path == "/proc/self/fd":
            raise FileNotFoundError(path)
        return real_list(path)

    monkeypatch.setattr(builtins, "open", no_proc_open)
    monkeypatch.setattr(os, "listdir", no_proc_list)
    found = process.measure()
    assert found["resident_memory_bytes"] > 10**6
    assert "open_fds" not in found


def test_many_threads_count_without_losing_any() -> None:
    metrics = Metrics()

    def work() -> None:
        for _ in range(2_000):
            metrics.refused("rate", "rate.limited")
            metrics.event("x")
            metrics.lag(0.01)
            metrics.orphans.inc()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = samples(metrics)
    assert found['holdfast_refusals_total{code="rate.limited",guard="rate"}'] == 8_000
    assert found['holdfast_events_total{kind="x"}'] == 8_000
    assert found["holdfast_loop_lag_seconds_count"] == found["holdfast_orphans"] == 8_000


def test_a_duration_falls_into_the_bucket_whose_bound_it_does_not_exceed() -> None:
    metrics = Metrics()
    tool = metrics.for_tool("a")
    for seconds in (0.0, 0.001, 0.0011, 60, 61):
        tool.started()
        tool.ended("ok", seconds)
    found = samples(metrics)
    bucket = 'holdfast_call_seconds_bucket{{le="{}",tool="a"}}'
    assert [found[bucket.format(bound)] for bound in ("0.001", "0.0025", "60.0", "+Inf")] == [2, 3, 4, 5]
    assert found['holdfast_call_seconds_sum{tool="a"}'] == pytest.approx(121.0021)


def test_gauges_go_up_and_down_or_are_asked() -> None:
    metrics = Metrics()
    metrics.orphans.inc(3)
    metrics.orphans.dec()
    metrics.zombies.set_function(lambda: 7)
    metrics.for_tool("a").watch_queue(lambda: 4)
    found = samples(metrics)
    assert (found["holdfast_orphans"], found["holdfast_zombies"], found['holdfast_queued{tool="a"}']) == (2, 7, 4)


def test_names_are_escaped_as_the_format_wants() -> None:
    metrics = Metrics()
    metrics.for_tool('a"b\n').started()
    assert 'holdfast_in_flight{tool="a\\"b\\n"} 1.0' in metrics.render()[0].decode()
