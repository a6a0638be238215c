"""Start a program under limits that hold before its first instruction, with nothing inherited but 0, 1 and 2."""

from __future__ import annotations

import errno
import logging
import os
import shutil
import stat
import subprocess  # nosec B404  # started from one place, below
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

from holdfast.errors import ConfigurationError, UnsafeCommand
from holdfast.safe import confine
from holdfast.safe.confine import Confinement
from holdfast.safe.descendants import ENVIRONMENT, Mark, Marked

if sys.platform != "win32":  # where Program says that it cannot be declared
    import fcntl
    import resource

SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"
"""Where programs are found, and the PATH they get: never the server's own."""
BASE_ENVIRONMENT = (
    ("PATH", SYSTEM_PATH),
    ("LANG", "C.UTF-8"),
    ("HOME", "/nonexistent"),
    ("XDG_CONFIG_HOME", "/nonexistent"),
)
_FALLBACK = (
    "import os,resource as r,sys\n"
    "for i in sys.argv[1].split(','):\n"
    " n,s,h=i.split(':');r.setrlimit(getattr(r,'RLIMIT_'+n.upper()),(int(s),int(h)))\n"
    "os.execv(sys.argv[2],sys.argv[2:])"
)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one run may use. ``memory`` and ``written`` in bytes (RLIMIT_DATA, RLIMIT_FSIZE), ``cpu`` in seconds.

    ``processes`` are all that live at one time: counted, because RLIMIT_NPROC counts those of a user and does not hold
    for root. RLIMIT_DATA, since RLIMIT_AS also counts mapped files and reserved address space [measured].
    """

    seconds: float = 10.0
    output: int = 1 << 20
    memory: int = 512 << 20
    cpu: int = 30
    files: int = 256
    written: int = 64 << 20
    processes: int = 64


@dataclass(frozen=True, slots=True)
class Launch:
    """One program with its argument words, its own variables, its bounds, and what the kernel holds it to."""

    words: tuple[str, ...]
    variables: tuple[tuple[str, str], ...]
    bounds: Bounds
    cwd: int | None = None
    stdin: bytes | None = None
    confinement: Confinement | None = None


def find_tool(name: str) -> str | None:
    """The absolute path of a system tool that this process may run."""
    return shutil.which(name, path=SYSTEM_PATH)


def warn_of_missing_tools() -> None:
    """Say once, when a program is declared, what this system lacks."""
    if find_tool("prlimit") is None:
        _log.warning("prlimit is not installed (util-linux): commands start more slowly, through Python")
    if find_tool("setpriv") is None:
        _log.warning("setpriv is not installed (util-linux): commands may gain rights and outlive a killed server")


def missing() -> tuple[str, ...]:
    """What this system lacks to hold programs to their bounds: of landlock, seccomp, prlimit and setpriv."""
    return (*confine.means().missing, *(tool for tool in ("prlimit", "setpriv") if find_tool(tool) is None))


def launchers() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What ``launcher`` runs here, and the folders that this reads: where prlimit is missing, our own Python."""
    limiting = find_tool("prlimit")
    reads = (sys.prefix, sys.base_prefix) if limiting is None else ()
    return tuple(filter(None, (limiting or sys.executable, find_tool("setpriv")))), reads


def find_program(name: str) -> str:
    """The absolute path of ``name`` on the fixed PATH, or ``name`` itself when absolute. Raises ConfigurationError.

    It is not resolved further: busybox or an environment's python look at the name they are called by. Refused is one
    that any user may write, or whose folder any user may write, at both ends of a link.
    """
    path = name if os.path.isabs(name) else find_tool(name)
    if path is None or not (os.path.isfile(path) and os.access(path, os.X_OK)):
        raise ConfigurationError(f"the program {name!r} is not installed in {SYSTEM_PATH}; give executable= its path")
    for each in dict.fromkeys((path, os.path.realpath(path))):
        if _anyone_may_write(each, sticky=False) or _anyone_may_write(os.path.dirname(each), sticky=True):
            raise ConfigurationError(f"the program {name!r} can be replaced by any user; fix its permissions")
    return path


def _anyone_may_write(path: str, *, sticky: bool) -> bool:
    """In a folder with the sticky bit only a file's owner can replace it."""
    mode = os.stat(path).st_mode
    return bool(mode & stat.S_IWOTH) and not (sticky and mode & stat.S_ISVTX)


def _limits(bounds: Bounds, mark: Mark) -> Iterator[tuple[str, int, int]]:
    """Name, soft and hard limit, none above what this process itself has (only root could raise it)."""
    wanted = {
        "data": (bounds.memory, bounds.memory),
        "cpu": (bounds.cpu, bounds.cpu + 1),
        "nofile": (bounds.files, bounds.files),
        "fsize": (bounds.written, bounds.written),
        "core": (0, 0),
        "rss": (mark.number, mark.number),
    }
    for name, (soft, hard) in wanted.items():
        top = resource.getrlimit(getattr(resource, f"RLIMIT_{name.upper()}"))[1]
        most = hard if top == resource.RLIM_INFINITY else min(hard, top)
        yield name, min(soft, most), most


def launcher(bounds: Bounds, mark: Mark) -> list[str]:
    """The words put before the program's own. Each sets something up and replaces itself by the next (exec).

    ``prlimit(1)`` sets the limits; ``setpriv(1)`` bars setuid programs from gaining rights and has the kernel kill the
    program when the server dies [together 2 ms]. Without util-linux (Alpine, macOS), an isolated Python does the first
    half [15 ms]: a few fixed lines, and never a shell.
    """
    limits = list(_limits(bounds, mark))
    prlimit, setpriv = find_tool("prlimit"), find_tool("setpriv")
    if prlimit is None:
        joined = ",".join(f"{name}:{soft}:{hard}" for name, soft, hard in limits)
        words = [sys.executable, "-I", "-S", "-c", _FALLBACK, joined]
    else:
        words = [prlimit, *(f"--{name}={soft}:{hard}" for name, soft, hard in limits), "--"]
    if setpriv is None:
        return words
    return [*words, setpriv, "--no-new-privs", "--pdeathsig=KILL", "--"]


class Starter(Marked):
    """Starts one program and stays until the run is over: the death signal is for the *thread* that started it.

    The kernel confines threads, and a program begins as a copy of its thread; so this one, which does nothing else, is
    confined instead of the program, and no code runs between fork and exec. Nothing is logged from it: a thread that a
    handler started from here would stay confined. Raises ``UnsafeCommand`` (``command.directory``) when the directory
    is no longer open.
    """

    def __init__(self, launch: Launch, mark: Mark) -> None:
        super().__init__(name="holdfast-command", daemon=True)
        self.mark, self._launch = mark, launch
        self._held = ExitStack()  # closes the copy, which is the thread's own
        self._cwd = None if launch.cwd is None else _duplicate(launch.cwd, self._held)
        self._ready, self._over = threading.Event(), threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            if self._launch.confinement is None:
                confine.tag()
            else:
                confine.enter(self._launch.confinement, self._cwd, confine.means())
            self._process = _spawn(self._launch, self.mark, self._cwd)
            self.leader = self._process.pid
        except BaseException as error:  # whatever it is, it belongs to whoever waits for the start
            self._error = error
        finally:
            self._held.close()
            self._ready.set()
        if self._error is None:
            self._over.wait()

    def begin(self) -> subprocess.Popen[bytes]:
        """The started program. Raises ``UnsafeCommand`` (``command.start`` or ``command.too_long``)."""
        try:
            self.start()
        except RuntimeError:  # no further thread
            self._held.close()
            raise UnsafeCommand("too much is running; try again later", code="command.start") from None
        self._ready.wait()
        if self._process is None:
            self.join()
            error, self._error = self._error, None
            if isinstance(error, OSError):  # logged here: a handler may open files or start threads of its own
                _log.error("a program could not be started: %s", error)
                raise _not_started(error.errno) from None
            raise error if error is not None else UnsafeCommand("the program was not started", code="command.start")
        return self._process

    def end(self) -> None:
        """Let the thread go; what it started dies with it, if it still lives. Idempotent."""
        self._over.set()
        self.join()


def _spawn(launch: Launch, mark: Mark, descriptor: int | None) -> subprocess.Popen[bytes]:
    """Start the program in a session of its own.

    The working directory is handed over as a descriptor: the child changes to ``/proc/self/fd/N``, its own copy of it,
    so a directory that is renamed or swapped meanwhile changes nothing. Without one it starts in ``/``.
    """
    try:
        return subprocess.Popen(  # noqa: S603 # nosec B603 # words built from declarations, an absolute path, no shell
            [*launcher(launch.bounds, mark), *launch.words],
            stdin=subprocess.DEVNULL if launch.stdin is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd="/" if descriptor is None else _directory(descriptor),
            env={**dict(BASE_ENVIRONMENT), **dict(launch.variables), ENVIRONMENT: mark.variable},
            start_new_session=True,
            close_fds=True,
            bufsize=0,
        )
    except (ValueError, UnicodeError):  # a NUL, or what is no text in the file system's encoding
        raise UnsafeCommand("the words hold characters that no program takes", code="command.start") from None


def _not_started(number: int | None) -> UnsafeCommand:
    if number == errno.E2BIG:
        return UnsafeCommand("the words are too long for this system; send fewer", code="command.too_long")
    return UnsafeCommand("the program could not be started here", code="command.start")


def _duplicate(descriptor: int, held: ExitStack) -> int:
    """A copy of our own, above 0, 1 and 2 (which the child replaces before it changes directory)."""
    try:
        copy = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 3)
    except OSError:
        raise UnsafeCommand("the directory is no longer open", code="command.directory") from None
    held.callback(os.close, copy)
    return copy


def _directory(descriptor: int) -> str:
    if sys.platform == "darwin":  # pragma: no cover - no /proc there: the path is looked up again, a small window
        _log.warning("the working directory of commands is passed by name on this system")
        return os.fsdecode(fcntl.fcntl(descriptor, fcntl.F_GETPATH, bytes(1024)).rstrip(b"\0"))
    return f"/proc/self/fd/{descriptor}"
