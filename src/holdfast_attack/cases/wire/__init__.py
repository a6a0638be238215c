"""Over standard input and output: what is malformed, too much, too early, twice, or never read."""

from holdfast_attack.cases.wire import (
    bounds,
    cancelling,
    eras,
    floods,
    ids,
    malformed,
    methods,
    numbers,
    progress,
    readers,
    streams,
    surrogates,
)

CASES = (
    *malformed.CASES,
    *numbers.CASES,
    *ids.CASES,
    *methods.CASES,
    *eras.CASES,
    *surrogates.CASES,
    *cancelling.CASES,
    *progress.CASES,
    *streams.CASES,
    *floods.CASES,
    *bounds.CASES,
    *readers.CASES,
)

__all__ = ["CASES"]
