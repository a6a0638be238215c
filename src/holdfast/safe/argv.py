"""How a program may be called: its flags, operands and subcommands, declared once, and the words they become."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from holdfast.errors import ConfigurationError, UnsafeCommand
from holdfast.safe.relative import PathHandle
from holdfast.safe.words import check_total, clean, matcher

__all__ = ["Flag", "Operand", "Subcommand", "check_total", "clean"]

_FLAG_NAME = re.compile(r"-[A-Za-z0-9]|--?[A-Za-z][A-Za-z0-9-]*")
_WORD_STARTS = "-@+"
"""``-`` starts a flag, ``@`` a response file (curl, gcc, java), ``+`` a command (vim, less, sort)."""
_DASHES = re.compile(r"[-\u2010-\u2015\u2212\ufe58\ufe63\uff0d]")
"""The hyphen and what looks like it: wide-character best fit (CVE-2024-4577) turns some of them into one."""
_MOST_OPERANDS = 1000


class _Compiled:
    """Drops the compiled pattern on a journey to another process; it is compiled again there."""

    pattern: str | None

    @cached_property
    def _matcher(self) -> Any:
        return None if self.pattern is None else matcher(self.pattern)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_matcher"}


@dataclass(frozen=True)
class Flag(_Compiled):
    """One flag with its whole name (``--max-count``, ``-n``).

    ``takes`` is ``None`` for a switch (its value is a bool), or the kind of its value. Integers are at least ``min``
    (default 0) and at most ``max`` (default 2**31 - 1). ``pattern`` must match the whole of a text; ``max_length`` is
    in characters. A value follows a ``--long`` name after ``=`` in one word, so it can never be read as a flag; after a
    short name it is the next word, and may not begin with a dash. ``required``: no call without it.
    """

    name: str
    takes: Literal["int", "text", "choice"] | None = None
    choices: tuple[str, ...] = ()
    min: int | None = None
    max: int | None = None
    pattern: str | None = None
    max_length: int = 256
    required: bool = False

    def __post_init__(self) -> None:
        if not _FLAG_NAME.fullmatch(self.name):
            raise ConfigurationError(f"{self.name!r} is not a flag: write it as on the command line, like --max-count")
        if (self.takes == "choice") != bool(self.choices):
            raise ConfigurationError(f"{self.name}: takes='choice' and choices go together")
        _ = self._matcher

    def words(self, value: object) -> list[str]:
        """The argument words for ``value``. Raises ``UnsafeCommand`` (``command.flag``)."""
        if self.takes is None:
            if not isinstance(value, bool):
                raise self._refused("is a switch: true or false")
            return [self.name] if value else []
        text = self._text_of(value)
        if self.name.startswith("--"):
            return [f"{self.name}={text}"]
        if not text or _DASHES.match(text):
            raise self._refused("takes no value that is empty or begins with '-'")
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
class Operand(_Compiled):
    """One positional word, or with ``many`` the last ones.

    None may begin with a dash, and without a ``pattern`` (whole match, ``max_length`` characters) none with ``@`` or
    ``+``. ``path=True`` takes a ``ReadPath``, ``WritePath`` or ``DirPath`` of the workspace, or a relative spelling
    without ``..`` or hidden parts; ``opened`` says that the program opens it where it stands (``CommandTool`` opens it
    first, beneath the workspace, following no link). The program itself follows links; where the kernel has Landlock
    they lead nowhere. ``path_after`` is for words such as ``HEAD:a/b``: what follows it is judged as a path. ``lead``
    is the author's own word put before this operand, given or not (git's ``--`` between revision and paths);
    ``before`` is the author's own beginning of the word itself (git's ``:(literal)``); ``shape`` makes the word that is
    put in of one that has passed every check.
    """

    name: str
    pattern: str | None = None
    max_length: int = 256
    many: bool = False
    path: bool = False
    opened: bool = False
    path_after: str | None = None
    optional: bool = False
    lead: str | None = None
    before: str = ""
    shape: Callable[[str], str] = str

    def __post_init__(self) -> None:
        _ = self._matcher

    def word(self, value: object) -> str:
        """Return ``value`` if it may stand here. Raises ``UnsafeCommand`` (``command.operand``)."""
        given = value.text if self.path and isinstance(value, PathHandle) else value
        text = clean(given, self.max_length, self.name, "command.operand")
        if not text or _DASHES.match(text) or (self._matcher is None and text[0] in _WORD_STARTS):
            raise self._refused("may not be empty or begin with '-' (or '@' or '+')")
        if self._matcher is not None and not self._matcher.fullmatch(text):
            raise self._refused("does not have the form that this program takes")
        inner = self.inner(text)
        if inner is not None and any(part.startswith(".") and part != "." for part in inner.split("/")):
            raise self._refused("must be a relative path without '..' or hidden parts")
        if inner is not None and (inner.startswith(("/", "~")) or "\\" in inner or ":" in inner):
            raise self._refused("must be a plain path relative to the directory")
        return text

    def inner(self, text: str) -> str | None:
        """The path in the word, if it is or has one."""
        if self.path:
            return text
        _, found, path = text.partition(self.path_after) if self.path_after else (text, "", "")
        return path if found else None

    def _refused(self, why: str) -> UnsafeCommand:
        return UnsafeCommand(f"{self.name} {why}", code="command.operand")


@dataclass(frozen=True)
class Subcommand:
    """One way to call the program. ``fixed`` are the author's own words, always put in; ``name`` may be empty.

    ``silent``: the name is ours alone and not put in. ``separator`` ends the flags, so that nothing after it is read as
    one; ``None`` only for programs without such a word (then the refusal of a leading ``-`` stands alone). ``hide`` is
    where the program's ``hide`` words go: after the flags (the last one decides), at the end, or nowhere. ``ok`` are
    the statuses that mean success. ``of_path`` takes the place of this one where an operand has a path in it
    (``path_after``).
    """

    name: str
    flags: tuple[Flag, ...] = ()
    operands: tuple[Operand, ...] = ()
    fixed: tuple[str, ...] = ()
    separator: Literal["--", "--end-of-options"] | None = "--"
    silent: bool = False
    hide: Literal["flags", "end", "never"] = "flags"
    ok: tuple[int, ...] = (0,)
    of_path: Subcommand | None = None

    def __post_init__(self) -> None:
        names = [flag.name for flag in self.flags]
        if len(set(names)) != len(names):
            raise ConfigurationError(f"subcommand {self.name!r} declares a flag twice")
        if any(operand.many for operand in self.operands[:-1]):
            raise ConfigurationError(f"subcommand {self.name!r}: only the last operand can be many")

    def words(self, flags: Mapping[str, object], operands: Sequence[object], excluded: Sequence[str] = ()) -> list[str]:
        """The argument words after the program's own; ``excluded`` are the ``hide`` words. Raises UnsafeCommand."""
        if self.of_path is not None and self._has_path(operands):
            return self.of_path.words(flags, operands, excluded)
        words = [self.name] if self.name and not self.silent else []
        words += (*self.fixed, *self._flag_words(flags))
        words += excluded if self.hide == "flags" else ()
        words += [self.separator] if self.separator is not None else []
        words += self._operand_words(operands)
        return [*words, *(excluded if self.hide == "end" else ())]

    def _flag_words(self, flags: Mapping[str, object]) -> list[str]:
        declared = {flag.name: flag for flag in self.flags}
        words: list[str] = []
        for name, value in flags.items():
            flag = declared.get(name)
            if flag is None:
                raise UnsafeCommand(f"takes only the flags: {', '.join(declared) or 'none'}", code="command.flag")
            words += flag.words(value)
        for flag in self.flags:
            if flag.required and flag.name not in flags:
                raise UnsafeCommand(f"the flag {flag.name} is missing", code="command.flag")
        return words

    def paths(self, operands: Sequence[Any]) -> Iterator[tuple[str, bool]]:
        """Each path among the operands, and whether the program opens it. The operands have passed ``words``."""
        if self.of_path is not None and self._has_path(operands):
            yield from self.of_path.paths(operands)
            return
        for operand, value in self._paired(operands):
            text = operand.inner(operand.word(value))
            if text is not None:
                yield text, operand.opened

    def _has_path(self, operands: Sequence[Any]) -> bool:
        found = ((operand.path_after, value) for operand, value in self._paired(operands))
        return any(after and isinstance(value, str) and after in value for after, value in found)

    def _paired(self, operands: Sequence[Any]) -> Iterator[tuple[Operand, Any]]:
        left = list(operands)
        for operand in self.operands:
            here = left if operand.many else left[:1]
            left = left[len(here) :]
            yield from ((operand, value) for value in here)

    def _operand_words(self, operands: Sequence[Any]) -> list[str]:
        if isinstance(operands, (str, bytes)) or len(operands) > _MOST_OPERANDS:
            raise UnsafeCommand(f"takes a list of at most {_MOST_OPERANDS} operands", code="command.operand")
        paired, words = list(self._paired(operands)), []
        for operand in self.operands:
            here = [value for other, value in paired if other is operand]
            if not here and not operand.optional:
                raise UnsafeCommand(f"the operand {operand.name} is missing", code="command.operand")
            words += [operand.lead] if operand.lead is not None else []
            words += [operand.before + operand.shape(operand.word(value)) for value in here]
        if len(paired) < len(operands):
            raise UnsafeCommand("takes fewer operands", code="command.operand")
        return words
