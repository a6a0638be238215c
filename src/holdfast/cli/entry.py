"""The process around a command: a missing extra, a mistake of the operator's, and Ctrl-C each end in one clear line."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from holdfast.errors import HoldfastError

USAGE = 2
"""Exit status of a command that could not be done as it was asked (sysexits and click agree on 2 for usage)."""
INTERRUPTED = 130
"""Exit status after Ctrl-C: 128 and the number of SIGINT (POSIX shells)."""
_EXTRA = frozenset({"typer", "rich", "click"})


def main(argv: Sequence[str] | None = None) -> None:
    """Run one command and leave with its exit status; ``argv`` are the words after ``holdfast``."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        if words[:1] == ["run"]:
            _run_plainly(words)
        from holdfast.cli.app import build

        build()(args=words, prog_name="holdfast")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _EXTRA:
            raise
        _leave('the command line needs its extra: pip install "holdfast[cli]"', USAGE)
    except HoldfastError as error:
        _leave(str(error), USAGE)
    except KeyboardInterrupt:
        raise SystemExit(INTERRUPTED) from None


def _run_plainly(words: list[str]) -> None:
    """Serve over stdio, as clients start it, without what only other words need; returns when it is not that."""
    from holdfast.cli.serving import plain, serve

    said = plain(words)
    if said is not None:
        serve(*said, http=False, overrides={})
        raise SystemExit(0)


def _leave(message: str, status: int) -> None:
    print(f"holdfast: {message}", file=sys.stderr)
    raise SystemExit(status) from None
