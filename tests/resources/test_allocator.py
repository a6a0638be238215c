"""Memory of the whole process: what a start made is set aside, and comes back."""

from __future__ import annotations

import gc
import sys

import pytest

from holdfast.resources.allocator import hold_thresholds, set_aside


def test_what_was_set_aside_is_not_looked_at_until_it_is_put_back() -> None:
    before = gc.get_freeze_count()
    put_back = set_aside()
    try:
        assert gc.get_freeze_count() > before + 1_000
    finally:
        put_back()
    assert gc.get_freeze_count() == 0


def test_where_the_allocator_cannot_be_told_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    hold_thresholds()
    monkeypatch.setitem(sys.modules, "ctypes", None)
    hold_thresholds()
