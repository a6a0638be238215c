"""What is printed while a server runs is cleaned; afterwards the streams are as they were."""

from __future__ import annotations

import io
import sys

import pytest

from holdfast.observe.standard import CleanStream, clean_standard
from holdfast.safe.outgoing import Outgoing
from holdfast.safe.secrets import SecretRegistry


@pytest.fixture
def outgoing() -> Outgoing:
    registry = SecretRegistry()
    registry.add("canary-0123456789", "own")
    return Outgoing(registry)


def test_prints_are_cleaned_across_writes_and_the_rest_is_the_streams_own(outgoing: Outgoing) -> None:
    under = io.StringIO()
    stream = CleanStream(under, outgoing)
    print("it is canary-", end="", flush=True, file=stream)
    print("0123456789 \x1b[31mred", file=stream)
    stream.writelines(["a\n", "b "])
    assert under.getvalue() == "it is [redacted:own] red\na\nb "
    stream.write("canary-01")
    assert not under.getvalue().endswith("01")
    stream.end()
    stream.end()
    assert under.getvalue().endswith("canary-01")
    assert stream.getvalue() == under.getvalue()
    stream.write("canary-0123456789")
    assert under.getvalue().endswith("canary-0123456789")


def test_a_stream_that_is_closed_is_left_without_an_error(outgoing: Outgoing) -> None:
    under = io.StringIO()
    stream = CleanStream(under, outgoing)
    stream.write("half a wo")
    under.close()
    stream.end()


def test_servers_may_stop_in_any_order(outgoing: Outgoing, monkeypatch: pytest.MonkeyPatch) -> None:
    before = io.StringIO()
    monkeypatch.setattr(sys, "stdout", before)
    monkeypatch.setattr(sys, "stderr", None)
    first, second = clean_standard(outgoing), clean_standard(outgoing)
    print("canary-0123456789")
    assert sys.stderr is None
    first()
    print("canary-0123456789")
    second()
    second()
    assert sys.stdout is before
    assert before.getvalue() == "[redacted:own]\n[redacted:own]\n"
