"""How a program may be called: its flags, operands and subcommands, declared once, and the words they become."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from holdfast.errors import ConfigurationError, UnsafeCommand

_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029]")
"""Control characters (NUL ends a C string early), lone surrogates (raw bytes by the back door), line separators."""
_FLAG_NAME = re.compile(r"-[A-Za-z0-9]|--?[A-Za-z][A-Za-z0-9-]*")
_WORD_STARTS = "-@+"
"""``-`` starts a flag, ``@`` a response file (curl, gcc, java), ``+`` a command (vim, less, sort)."""
_MOST_OPERANDS = 1000
"""Words of one call; 1000 words of 256 characters stay far under the kernel's 2 MiB for an argument list."""
_UNBOUNDED = re.compile(r"[*+]|\{\d*,\}")


def _check_pattern(pattern: str) -> re.Pattern[str]:
    """Compile a pattern that cannot backtrack badly (CVE-2026-0621).

    No repeated group, no backreference, no look-around, at most three open-ended repetitions: cubic at worst.
    """
    bare = re.sub(r"\[\^?\]?(?:\\.|[^\]\\])*\]", "x", re.sub(r"\\[^0-9]", "x", pattern))
    if re.search(r"\)(?:[*+]|\{)|\\[0-9]|\(\?(?!:)", bare) or len(_UNBOUNDED.findall(bare)) > 3:
        raise ConfigurationError(
            "this pattern may take very long on hostile text: repeat characters, not groups, at most three times"
        )
    return re.compile(pattern)


def clean(value: object, max_length: int, what: str, code: str) -> str:
    """Return ``value`` if it is text that can stand in an argument list. Raises ``UnsafeCommand``."""
    if not isinstance(value, str):
        raise UnsafeCommand(f"{what} takes text", code=code)
    if len(value) > max_length:
        raise UnsafeCommand(f"{what} takes at most {max_length} characters", code=code)
    if _FORBIDDEN.search(value):
        raise UnsafeCommand(f"{what} takes text without control characters", code=code)
    return value


@dataclass(frozen=True)
class Flag:
    """One flag with its whole name (``--max-count``, ``-n``).

    ``takes`` is ``None`` for a switch (its value is a bool), or the kind of its value. Integers are at least ``min``
    (default 0) and at most ``max`` (default 2**31 - 1). ``pattern`` must match the whole of a text; ``max_length`` is
    in characters. A value follows a ``--long`` name after ``=`` in one word, so it can never be read as a flag.
    """

    name: str
    takes: Literal["int", "text", "choice"] | None = None
    choices: tuple[str, ...] = ()
    min: int | None = None
    max: int | None = None
    pattern: str | None = None
    max_length: int = 256

    def __post_init__(self) -> None:
        if not _FLAG_NAME.fullmatch(self.name):
            raise ConfigurationError(f"{self.name!r} is not a flag: write it as on the command line, like --max-count")
        if (self.takes == "choice") != bool(self.choices):
            raise ConfigurationError(f"{self.name}: takes='choice' and choices go together")
        _ = self._matcher

    @cached_property
    def _matcher(self) -> re.Pattern[str] | None:
        return None if self.pattern is None else _check_pattern(self.pattern)

    def words(self, value: object) -> list[str]:
        """The argument words for ``value``. Raises ``UnsafeCommand`` (``command.flag``)."""
        if self.takes is None:
            if not isinstance(value, bool):
                raise self._refused("is a switch: true or false")
            return [self.name] if value else []
        text = self._text_of(value)
        if self.name.startswith("--"):
            return [f"{self.name}={text}"]
        if text[:1] == "-":
            raise self._refused("takes no value that begins with '-'")
        return [self.name, text]

    def _text_of(self, value: object) -> str:
        if self.takes == "int":
            return self._number(value)
        if self.takes == "choice":
            if not (isinstance(value, str) and value in self.choices):
                raise self._refused(f"takes one of: {', '.join(self.choices)}")
            return value
        text = clean(value, self.max_length, self.name, "command.flag")
        if self._matcher is not None and not self._matcher.fullmatch(text):
            raise self._refused(f"takes text that matches {self.pattern}")
        return text

    def _number(self, value: object) -> str:
        least, most = self.min or 0, 2**31 - 1 if self.max is None else self.max
        if type(value) is not int or not least <= value <= most:
            raise self._refused(f"takes a whole number from {least} to {most}")
        return str(value)

    def _refused(self, why: str) -> UnsafeCommand:
        return UnsafeCommand(f"{self.name} {why}", code="command.flag")


@dataclass(frozen=True)
class Operand:
    """One positional word, or with ``many`` the last ones.

    None may begin with ``-``, and without a ``pattern`` (whole match, ``max_length`` characters) none with ``@`` or
    ``+``. ``path=True`` admits only relative spellings without ``..`` or hidden parts; it judges the *spelling*: the
    program itself follows symlinks, so for trees that others write, open a ``ReadPath`` and pass its bytes on stdin.
    ``lead`` is the author's own word put before this operand, given or not (git's ``--`` between revision and paths).
    """

    name: str
    pattern: str | None = None
    max_length: int = 256
    many: bool = False
    path: bool = False
    optional: bool = False
    lead: str | None = None

    def __post_init__(self) -> None:
        _ = self._matcher

    @cached_property
    def _matcher(self) -> re.Pattern[str] | None:
        return None if self.pattern is None else _check_pattern(self.pattern)

    def word(self, value: object) -> str:
        """Return ``value`` if it may stand here. Raises ``UnsafeCommand`` (``command.operand``)."""
        text = clean(value, self.max_length, self.name, "command.operand")
        if not text or text[0] in (_WORD_STARTS if self._matcher is None else "-"):
            raise self._refused("may not be empty or begin with '-' (or '@' or '+')")
        if self._matcher is not None and not self._matcher.fullmatch(text):
            raise self._refused("does not have the form that this program takes")
        if self.path and any(part.startswith(".") and part != "." for part in text.split("/")):
            raise self._refused("must be a relative path without '..' or hidden parts")
        if self.path and (text.startswith(("/", "~")) or "\\" in text or ":" in text):
            raise self._refused("must be a plain path relative to the directory")
        return text

    def _refused(self, why: str) -> UnsafeCommand:
        return UnsafeCommand(f"{self.name} {why}", code="command.operand")


@dataclass(frozen=True)
class Subcommand:
    """One way to call the program. ``fixed`` are the author's own words, always put in; ``name`` may be empty.

    ``separator`` ends the flags, so that nothing after it is read as one; ``None`` only for programs without such a
    word (then the refusal of a leading ``-`` stands alone).
    """

    name: str
    flags: tuple[Flag, ...] = ()
    operands: tuple[Operand, ...] = ()
    fixed: tuple[str, ...] = ()
    separator: Literal["--", "--end-of-options"] | None = "--"

    def __post_init__(self) -> None:
        names = [flag.name for flag in self.flags]
        if len(set(names)) != len(names):
            raise ConfigurationError(f"subcommand {self.name!r} declares a flag twice")
        if any(operand.many for operand in self.operands[:-1]):
            raise ConfigurationError(f"subcommand {self.name!r}: only the last operand can be many")

    def words(self, flags: Mapping[str, object], operands: Sequence[object]) -> list[str]:
        """The argument words after the program's own. Raises ``UnsafeCommand``."""
        words = [self.name] if self.name else []
        words += self.fixed
        words += self._flag_words(flags)
        if self.separator is not None:
            words.append(self.separator)
        return words + self._operand_words(operands)

    def _flag_words(self, flags: Mapping[str, object]) -> list[str]:
        declared = {flag.name: flag for flag in self.flags}
        words: list[str] = []
        for name, value in flags.items():
            flag = declared.get(name)
            if flag is None:
                raise UnsafeCommand(f"takes only the flags: {', '.join(declared) or 'none'}", code="command.flag")
            words += flag.words(value)
        return words

    def _operand_words(self, operands: Sequence[Any]) -> list[str]:
        if isinstance(operands, (str, bytes)) or len(operands) > _MOST_OPERANDS:
            raise UnsafeCommand(f"takes a list of at most {_MOST_OPERANDS} operands", code="command.operand")
        words: list[str] = []
        left = list(operands)
        for operand in self.operands:
            here = left if operand.many else left[:1]
            left = left[len(here) :]
            if not here and not operand.optional:
                raise UnsafeCommand(f"the operand {operand.name} is missing", code="command.operand")
            words += [operand.lead] if operand.lead is not None else []
            words += [operand.word(value) for value in here]
        if left:
            raise UnsafeCommand("takes fewer operands", code="command.operand")
        return words
