"""A folder opened as a root by one resolver or the other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from holdfast.errors import ConfigurationError
from holdfast.safe.paths import Root


@contextmanager
def root_of(place: Path, resolver: Any) -> Iterator[Root]:
    """The root while entered; the test is skipped where the kernel lacks the resolver."""
    try:
        root = Root(place, resolver=resolver)
    except ConfigurationError:
        pytest.skip("openat2 is not available here")
    try:
        yield root
    finally:
        root.close()
