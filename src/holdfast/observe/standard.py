"""What is printed while a server runs: the process's standard streams, cleaned and redacted until undone."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

from holdfast.observe.prompt import PromptWriter, prompt_writer
from holdfast.safe.outgoing import Outgoing
from holdfast.safe.streaming import Streaming

_NAMES: Final = ("stdout", "stderr")


class CleanStream:
    """A text stream before another one. What may be the beginning of a secret waits for what is written next.

    With ``prompt`` nobody who prints waits for whoever reads; a stream that cannot be written any more costs what is
    printed, counted by ``lost(characters)``, and never the call that prints. Everything but writing is the other
    stream's own. Bytes that are written to its ``buffer`` or descriptor, and what child processes print, do not come by
    here.
    """

    def __init__(
        self,
        stream: Any,
        outgoing: Outgoing,
        prompt: PromptWriter | None = None,
        lost: Callable[[int], None] | None = None,
    ) -> None:
        self.stream = stream
        self._prompt = prompt
        self._lost = lost
        self.ended = False
        self._filter = Streaming(outgoing)
        self._lock = threading.RLock()  # a finalizer or a signal's handler may print while its thread prints

    def write(self, text: str) -> int:
        """Return the number of characters taken."""
        with self._lock:
            self._pass_on(text if self.ended else self._filter.feed(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write each of them."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Write what cannot be the beginning of a known secret, even in the middle of a word."""
        with self._lock:
            self._pass_on("" if self.ended else self._filter.pause())
            if self._prompt is None:
                with self._forgiven(0):
                    self.stream.flush()

    def end(self) -> None:
        """Write what waits; from now on everything passes as it is. Idempotent, never raises."""
        with self._lock, suppress(OSError, ValueError):
            if not self.ended:
                self.ended = True
                self._pass_on(self._filter.flush())
                if self._prompt is None:
                    self.stream.flush()
                else:
                    self._prompt.close()
                    self._prompt = None

    def _pass_on(self, text: str) -> None:
        if not text:
            return
        if self._prompt is not None:
            self._prompt.write(text.encode(self.stream.encoding or "utf-8", "replace"))
            return
        with self._forgiven(len(text)):
            self.stream.write(text)

    @contextmanager
    def _forgiven(self, count: int) -> Iterator[None]:
        """A full disk, a reader that left: where somebody counts the losses, they are no fault of who prints."""
        try:
            yield
        except OSError:
            if self._lost is None:
                raise
            self._lost(count)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def clean_standard(outgoing: Outgoing, lost: Callable[[int], None] | None = None) -> Callable[[], None]:
    """Put a ``CleanStream`` before ``sys.stdout`` and ``sys.stderr``; return what undoes it (idempotent).

    With ``lost``, which counts what could not be written, printing neither waits nor fails; see ``CleanStream``.
    """
    ours: dict[str, CleanStream] = {}
    for name in _NAMES:
        stream = _living(getattr(sys, name))
        if stream is not None:
            ours[name] = CleanStream(stream, outgoing, _prompt(stream, name, lost), lost)
            setattr(sys, name, ours[name])

    def undo() -> None:
        for name, stream in ours.items():
            stream.end()
            if isinstance(now := getattr(sys, name), CleanStream):
                setattr(sys, name, _living(now))

    return undo


def _prompt(stream: Any, name: str, lost: Callable[[int], None] | None) -> PromptWriter | None:
    """A way around the interpreter's own stream, which would wait."""
    if lost is None or stream is not getattr(sys, f"__{name}__"):
        return None
    with suppress(OSError, ValueError):
        stream.flush()
        return prompt_writer(stream.fileno(), lost)
    return None


def _living(stream: Any) -> Any:
    """The stream without those before it that have ended: servers in one process may stop in any order."""
    while isinstance(stream, CleanStream) and stream.ended:
        stream = stream.stream
    return stream
