"""Start a program under limits that hold before its first instruction, with nothing inherited but 0, 1 and 2."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess  # nosec B404  # started from one place, below
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from holdfast.errors import ConfigurationError, UnsafeCommand
from holdfast.safe.descendants import ENVIRONMENT, Mark

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

    RLIMIT_DATA rather than RLIMIT_AS, which also counts mapped files and reserved address space [measured].
    """

    seconds: float = 10.0
    output: int = 1 << 20
    memory: int = 512 << 20
    cpu: int = 30
    files: int = 256
    written: int = 64 << 20


@dataclass(frozen=True, slots=True)
class Launch:
    """One program with its argument words, its own variables and its bounds."""

    words: tuple[str, ...]
    variables: tuple[tuple[str, str], ...]
    bounds: Bounds
    cwd: int | None = None
    stdin: bytes | None = None


def find_tool(name: str) -> str | None:
    """The absolute path of a system tool that this process may run."""
    return shutil.which(name, path=SYSTEM_PATH)


def warn_of_missing_tools() -> None:
    """Say once, when a program is declared, what this system lacks."""
    if find_tool("prlimit") is None:
        _log.warning("prlimit is not installed (util-linux): commands start more slowly, through Python")
    if find_tool("setpriv") is None:
        _log.warning("setpriv is not installed (util-linux): commands may gain rights and outlive a killed server")


def find_program(name: str) -> str:
    """The absolute path of ``name`` on the fixed PATH, or ``name`` itself when absolute. Raises ConfigurationError.

    The path is not resolved further: programs like busybox or an environment's python look at the name they are
    called by. A file that anyone may write is refused.
    """
    path = name if os.path.isabs(name) else find_tool(name)
    if path is None or not (os.path.isfile(path) and os.access(path, os.X_OK)):
        raise ConfigurationError(f"the program {name!r} is not installed in {SYSTEM_PATH}; give executable= its path")
    if os.name == "posix" and Path(path).stat().st_mode & 0o002:
        raise ConfigurationError(f"the program {name!r} can be overwritten by any user; fix its permissions")
    return path


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

    ``prlimit(1)`` sets the limits; ``setpriv(1)`` bars setuid programs from gaining rights (then we could not kill
    them) and has the kernel kill the program when the server dies [together 2 ms]. Where util-linux is missing
    (Alpine, macOS), an isolated Python does the first half [15 ms]: a few fixed lines, and never a shell.
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


def start(launch: Launch, mark: Mark) -> subprocess.Popen[bytes]:
    """Start the program in a session of its own. Raises ``UnsafeCommand`` (``command.start``, ``command.directory``).

    The working directory is handed over as a descriptor: the child changes to ``/proc/self/fd/N``, which is its own
    copy of that descriptor and not looked up by name, before the descriptor is closed; so a directory that is renamed
    or swapped meanwhile changes nothing. Without one it starts in ``/``, never in the server's own directory.
    """
    descriptor = None if launch.cwd is None else _duplicate(launch.cwd)
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
    except OSError as error:
        _log.error("a program could not be started: %s", error)
        raise UnsafeCommand("the program could not be started here", code="command.start") from None
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _duplicate(descriptor: int) -> int:
    """A copy of our own, above 0, 1 and 2 (which the child replaces before it changes directory)."""
    try:
        return fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 3)
    except OSError:
        raise UnsafeCommand("the directory is no longer open", code="command.directory") from None


def _directory(descriptor: int) -> str:
    if sys.platform == "darwin":  # pragma: no cover - no /proc there: the path is looked up again, a small window
        _log.warning("the working directory of commands is passed by name on this system")
        return os.fsdecode(fcntl.fcntl(descriptor, fcntl.F_GETPATH, bytes(1024)).rstrip(b"\0"))
    return f"/proc/self/fd/{descriptor}"
