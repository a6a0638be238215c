"""The argument type of tools that search: a regular expression compiled by RE2, with bounds on what it may cost."""

from __future__ import annotations

from typing import Any, ClassVar, Final, Self

from holdfast.errors import InputTooLarge, InvalidArguments
from holdfast.safe.handle import Handle
from holdfast.safe.sandbox import Sandbox

MAX_PATTERN: Final = 1_000
"""Characters of a pattern."""
_MAX_MEMORY: Final = 8 << 20
"""Bytes for a program and its automaton (RE2's own default). With less, ``(a?){800}b`` fell back from the automaton to
the slow engine: 0.8 s in place of 0.03 s over 50,000 characters [measured]."""
_MAX_PROGRAM: Final = 10_000
"""Instructions of a program: counted repetitions multiply them."""
MAX_WORK: Final = 100_000_000
"""Instructions of the program times bytes of text. RE2's slow engine takes 9 to 22 ns for each, so about two seconds at
worst [measured: 9.6 s for a pattern of 20 characters and 200 KB of text without this]."""
MAX_LINES: Final = 500_000
"""Lines of one search by lines; each costs 2.5 us, however short [measured]."""
MAX_TEXT: Final = 16 << 20
"""Bytes of text for one search, however simple the pattern."""


class Pattern(Handle):
    """A regular expression from a caller, in RE2's syntax: it cannot be made to run for ever (CVE-2026-0621).

    Matching lets go of the interpreter's lock, so it may be done in a thread beside the event loop.
    """

    __slots__ = ("_regexp", "_size")

    describe: ClassVar[str] = "a regular expression (RE2: no look-around, no back-references)"
    json_format: ClassVar[str | None] = "regex"
    max_text: ClassVar[int] = MAX_PATTERN

    _regexp: Any
    _size: int

    @classmethod
    def from_text(cls, text: str, sandbox: Sandbox | None = None) -> Self:
        """Compile ``text``. Raises ``InvalidArguments`` (``pattern.refused``): not RE2's syntax, or too costly."""
        if len(text) > MAX_PATTERN:
            raise _refused(f"it is longer than {MAX_PATTERN} characters")
        handle = cls(text, sandbox)
        handle._regexp = _compiled(text)
        handle._size = int(handle._regexp.programsize)
        if handle._size > _MAX_PROGRAM:
            raise _refused("its counted repetitions make it too large; use smaller counts, or * and +")
        return handle

    @property
    def most(self) -> int:
        """Bytes of text (UTF-8) that one search takes."""
        return min(MAX_TEXT, MAX_WORK // self._size)

    def search(self, text: str) -> bool:
        """Whether ``text`` matches anywhere. Raises ``InputTooLarge`` beyond ``most`` bytes."""
        return self._regexp.search(self._encoded(text)) is not None

    def fullmatch(self, text: str) -> bool:
        """Whether all of ``text`` matches. Raises ``InputTooLarge`` beyond ``most`` bytes."""
        return self._regexp.fullmatch(self._encoded(text)) is not None

    def lines(self, text: str, limit: int) -> tuple[list[tuple[int, str]], bool]:
        """The first ``limit`` lines that match, with their numbers from 1, and whether the rest was left unsearched.

        All lines together get the work of one search: past ``most`` bytes or ``MAX_LINES`` it stops. To be run in a
        thread.
        """
        found: list[tuple[int, str]] = []
        room = self.most
        for number, line in enumerate(text.splitlines(), 1):
            raw = line.encode("utf-8", "replace")
            room -= len(raw) + 1
            if room < 0 or len(found) >= limit or number > MAX_LINES:
                return found, True
            if self._regexp.search(raw) is not None:
                found.append((number, line))
        return found, False

    def _encoded(self, text: str) -> bytes:
        raw = text.encode("utf-8", "replace")  # a lone surrogate matches what "?" matches
        if len(raw) > self.most:
            raise InputTooLarge(
                f"the text is too long for this pattern: at most {self.most} bytes", code="pattern.text"
            )
        return raw


def _compiled(text: str) -> Any:
    import re2  # here: 1.5 MB that most servers never need

    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MAX_MEMORY
    options.never_capture = True  # nobody asks for groups, and the fast engine cannot find them
    try:
        return re2.compile(text, options)
    except (re2.error, UnicodeEncodeError):
        raise _refused("it is not one that RE2 takes (no look-around, no back-references)") from None
    finally:
        re2.purge()  # the library would keep the last 128 with up to 8 MiB each


def _refused(why: str) -> InvalidArguments:
    return InvalidArguments(f"the pattern is refused: {why}", code="pattern.refused")
