"""Programs that tools may run, declared once; a call becomes an argument list, never a line for a shell."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal, Protocol

from holdfast.errors import ConfigurationError, UnsafeCommand
from holdfast.safe.argv import Flag, Operand, Subcommand, check_total
from holdfast.safe.blocking import in_thread
from holdfast.safe.confine import Confinement, means, runnable
from holdfast.safe.hiding import exclusions
from holdfast.safe.interpreting import check_program, check_variables
from holdfast.safe.launching import Bounds, Launch, find_program, launchers, warn_of_missing_tools
from holdfast.safe.names import DEFAULT_DENY
from holdfast.safe.processes import Completed, run

__all__ = ["Command", "Completed", "Flag", "OpenDirectory", "Operand", "Program", "Subcommand"]

_NO_FLAGS: Mapping[str, object] = MappingProxyType({})


class OpenDirectory(Protocol):
    """A directory held open; ``fd`` is its descriptor."""

    @property
    def fd(self) -> int: ...


@dataclass(frozen=True)
class Program:
    """A program and all the ways in which it may be called. Frozen and picklable; built once, with the server.

    ``executable`` (absolute, or found on a fixed PATH) must exist when the program is declared, and nobody but its
    owner may be able to replace it, else ``ConfigurationError``. ``prefix`` are the author's own words before the
    subcommand. ``env`` is added to a minimal environment (PATH, LANG, HOME=/nonexistent); nothing of the server's own
    is inherited, and no caller can set a variable. ``timeout`` in seconds, ``max_output`` (both outputs together),
    ``memory`` and ``max_written`` (the largest file) in bytes, ``files`` in open descriptors,
    ``processes`` at one time.

    ``confine``: the kernel holds the program to its working directory (read only unless ``writes``), to the system's
    code and libraries and to ``reads``, lets it execute only itself and ``runs`` (absolute, or on the fixed PATH), and
    gives it no sockets, with ``network`` only those of the internet. ``"auto"`` does what this kernel can, and the
    health page says what it cannot; ``"required"`` is a ``ConfigurationError`` where something is missing; ``"off"``
    leaves it all out.

    ``hide`` are words by which the program leaves out what a pattern matches (``holdfast.safe.hiding``), put in for
    each deny rule of the workspace. ``inspect`` is called with the working directory's descriptor on a worker thread
    before each run and raises ``UnsafeCommand`` to prevent it; it makes a working directory compulsory.
    """

    name: str
    executable: str | None = field(default=None, kw_only=True)
    subcommands: Sequence[Subcommand] = field(kw_only=True)
    prefix: Sequence[str] = field(default=(), kw_only=True)
    env: Mapping[str, str] | None = field(default=None, kw_only=True)
    timeout: float = field(default=10.0, kw_only=True)
    max_output: int = field(default=1 << 20, kw_only=True)
    memory: int = field(default=512 << 20, kw_only=True)
    cpu_seconds: int = field(default=30, kw_only=True)
    files: int = field(default=256, kw_only=True)
    max_written: int = field(default=64 << 20, kw_only=True)
    processes: int = field(default=64, kw_only=True)
    confine: Literal["auto", "required", "off"] = field(default="auto", kw_only=True)
    reads: Sequence[str] = field(default=(), kw_only=True)
    runs: Sequence[str] = field(default=(), kw_only=True)
    writes: bool = field(default=False, kw_only=True)
    network: bool = field(default=False, kw_only=True)
    hide: Sequence[str] = field(default=(), kw_only=True)
    inspect: Callable[[int], None] | None = field(default=None, kw_only=True)
    confinement: Confinement | None = field(default=None, init=False, repr=False, compare=False)
    """What the kernel holds each run to, worked out at build."""

    def __post_init__(self) -> None:
        if os.name != "posix":  # pragma: no cover - Windows
            raise ConfigurationError("programs need Linux or macOS: this system cannot hold them in a group")
        path = find_program(self.executable or self.name)
        check_program(self.name, path, bare=not self.prefix)
        names = [subcommand.name for subcommand in self.subcommands]
        if not names or len(set(names)) != len(names):
            raise ConfigurationError(f"{self.name!r} needs at least one subcommand, each declared once")
        bounds = (self.timeout, self.max_output, self.memory, self.cpu_seconds, self.files, self.max_written)
        if min(*bounds, self.processes) <= 0:
            raise ConfigurationError(f"{self.name!r}: every bound must be more than zero")
        warn_of_missing_tools()
        object.__setattr__(self, "executable", path)
        object.__setattr__(self, "subcommands", tuple(self.subcommands))
        object.__setattr__(self, "prefix", tuple(self.prefix))
        object.__setattr__(self, "hide", tuple(self.hide))
        object.__setattr__(self, "env", check_variables(self.name, self.env or {}))
        self._check_confinement()

    def _check_confinement(self) -> None:
        missing = means().missing
        if self.confine == "required" and missing:
            raise ConfigurationError(f"{self.name!r} must be confined, and this system lacks {' and '.join(missing)}")
        object.__setattr__(self, "reads", tuple(self.reads))
        object.__setattr__(self, "runs", tuple(find_program(each) for each in self.runs))
        if not all(os.path.isabs(path) for path in self.reads):
            raise ConfigurationError(f"{self.name!r}: reads takes absolute paths")
        tools, needed = launchers()
        runs = runnable(str(self.executable), tools, self.runs)
        held = Confinement(runs, (*needed, *self.reads), self.writes, self.network)
        object.__setattr__(self, "confinement", None if self.confine == "off" else held)

    def __hash__(self) -> int:
        return hash((self.name, self.executable))

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        """A caller who could send a program would be back to running anything (CVE-2026-42271)."""
        raise ConfigurationError("a Program is declared by the author of a server and cannot be an argument of a tool")

    def argv(
        self,
        subcommand: str,
        flags: Mapping[str, object] = _NO_FLAGS,
        operands: Sequence[object] = (),
        *,
        hidden: Sequence[str] = DEFAULT_DENY,
    ) -> Command:
        """The sealed command. ``hidden`` are the deny patterns of the workspace, for ``hide``.

        Raises ``UnsafeCommand`` (``command.subcommand``, ``.flag``, ``.operand`` or ``.too_long``).
        """
        return Command(self, subcommand, flags, operands, hidden)

    def declared(self, subcommand: str) -> Subcommand:
        """The declaration of one subcommand. Raises ``UnsafeCommand`` (``command.subcommand``)."""
        for declared in self.subcommands:
            if declared.name == subcommand:
                return declared
        names = ", ".join(declared.name for declared in self.subcommands if declared.name)
        raise UnsafeCommand(f"takes only the subcommands: {names or 'none'}", code="command.subcommand")

    def words(
        self,
        subcommand: str,
        flags: Mapping[str, object],
        operands: Sequence[object],
        hidden: Sequence[str] = DEFAULT_DENY,
    ) -> tuple[str, ...]:
        """The whole argument list, the absolute executable first. Raises as ``argv`` does."""
        excluded = exclusions(self.hide, hidden)
        words = (*self.prefix, *self.declared(subcommand).words(flags, operands, excluded))
        check_total(words)
        return (str(self.executable), *words)

    @property
    def bounds(self) -> Bounds:
        """What one run may use."""
        return Bounds(
            self.timeout,
            self.max_output,
            self.memory,
            self.cpu_seconds,
            self.files,
            self.max_written,
            self.processes,
        )


class Command:
    """One call of a program, checked and sealed: the only way to one is through its declaration.

    Picklable (checked again when loaded) and equal by its argument list.
    """

    __slots__ = ("_call", "_ok", "argv", "paths", "program")

    program: Program
    argv: tuple[str, ...]
    paths: tuple[tuple[str, bool], ...]
    """Each path among the operands as text, and whether the program opens it as a file of its directory."""

    def __init__(
        self,
        program: Program,
        subcommand: str,
        flags: Mapping[str, object],
        operands: Sequence[object],
        hidden: Sequence[str] = DEFAULT_DENY,
    ) -> None:
        argv = program.words(subcommand, flags, operands, hidden)
        object.__setattr__(self, "program", program)
        object.__setattr__(self, "argv", argv)
        declared = program.declared(subcommand)
        object.__setattr__(self, "paths", tuple(declared.paths(operands)))
        object.__setattr__(self, "_ok", declared.ok)
        object.__setattr__(self, "_call", (program, subcommand, dict(flags), tuple(operands), tuple(hidden)))

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("a command cannot be changed; ask its program for another")

    def __delattr__(self, name: str) -> None:
        raise AttributeError("a command cannot be changed; ask its program for another")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Command) and other.argv == self.argv

    def __hash__(self) -> int:
        return hash(self.argv)

    def __repr__(self) -> str:
        return f"<Command {self.program.name}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return (Command, self._call)  # type: ignore[attr-defined]  # set through object.__setattr__

    async def run(  # the parameter is a bound of the run, which ends by killing, not by a cancelled await
        self,
        *,
        cwd: OpenDirectory | None = None,
        stdin: bytes | None = None,
        timeout: float | None = None,  # noqa: ASYNC109  # see above
    ) -> Completed:
        """Run it. ``timeout`` in seconds can only shorten the program's own. See ``holdfast.safe.processes.run``.

        Raises ``UnsafeCommand``: ``command.directory``, ``command.start``, or what the program's inspection says.
        """
        bounds = self.program.bounds
        if timeout is not None:
            bounds = replace(bounds, seconds=max(0.0, min(timeout, bounds.seconds)))
        if self.program.inspect is not None:
            if cwd is None:
                raise UnsafeCommand("this program needs a directory to work in", code="command.directory")
            await in_thread(self.program.inspect, cwd.fd)
        variables = tuple((self.program.env or {}).items())
        directory = None if cwd is None else cwd.fd
        launch = Launch(self.argv, variables, bounds, directory, stdin, self.program.confinement)
        return replace(await run(launch), ok=self._ok)  # type: ignore[attr-defined]  # set through object.__setattr__

    def run_sync(
        self, *, cwd: OpenDirectory | None = None, stdin: bytes | None = None, timeout: float | None = None
    ) -> Completed:
        """The same for a tool that runs on a thread or in a process of its own; never on the event loop."""
        return asyncio.run(self.run(cwd=cwd, stdin=stdin, timeout=timeout))
