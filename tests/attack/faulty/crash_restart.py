"""Does not start while a program is there that one which was killed had started."""

import ctypes
import fcntl
import os
import signal
import subprocess
from pathlib import Path

from sound import Sound, main

CASE = "crash.restart"
TRANSPORT = "stdio"


def end_with_parent() -> None:
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


class Mended(Sound):
    ends = staticmethod(end_with_parent)

    async def start(self) -> None:
        beside = Path(os.environ["HOLDFAST_STATE"]) / "beside"
        beside.mkdir(parents=True, exist_ok=True)
        for name in os.listdir(beside):
            if not Path(f"/proc/{name}").exists() and self.is_held(beside / name):
                raise SystemExit("a program of another server is still there")
        lock = os.open(beside / str(os.getpid()), os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        nothing = subprocess.DEVNULL
        self.program = subprocess.Popen(
            ["sleep", "60"], stdin=nothing, stdout=nothing, stderr=nothing, pass_fds=(lock,), preexec_fn=self.ends
        )
        os.close(lock)

    def is_held(self, lock: Path) -> bool:
        fd = os.open(lock, os.O_RDWR)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(fd)
        return False

    async def finish(self) -> None:
        await super().finish()
        self.program.kill()
        self.program.wait()


class Faulty(Mended):
    ends = None


if __name__ == "__main__":
    main(Faulty, Mended)
