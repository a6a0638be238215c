"""Tracing: nothing without the SDK, real spans with it, never an exception's message."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest

from holdfast.observe.tracing import span

pytest.importorskip("opentelemetry.sdk.trace", reason="the otel extra is not installed")


def test_without_the_sdk_a_span_is_nothing_and_loads_nothing() -> None:
    program = """
        import sys
        from holdfast.observe.tracing import span
        with span("call", {"tool": "x"}) as current:
            assert current is None
        assert not [name for name in sys.modules if name.startswith("opentelemetry")]
    """
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=True, env=environment)


def test_with_a_provider_spans_nest_and_a_failure_shows_its_type_only(monkeypatch: pytest.MonkeyPatch) -> None:
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer", provider.get_tracer)  # the global provider can be set only once

    def call_tool() -> None:
        with span("call", {"tool": "x"}) as outer:
            assert outer is not None
            with span("attempt"):
                pass
            raise ValueError("s3cr3t")

    with pytest.raises(ValueError, match="s3cr3t"):
        call_tool()
    attempt, call = exporter.get_finished_spans()
    assert attempt.parent is not None
    assert attempt.parent.span_id == call.context.span_id
    assert dict(call.attributes or {}) == {"tool": "x"}
    assert call.status.description == "ValueError"
    assert call.events == ()
    provider.shutdown()


def test_with_the_sdk_loaded_but_no_provider_the_span_records_nothing() -> None:
    with span("call") as current:
        assert current is None
