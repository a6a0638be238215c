"""Does not start again after one that was killed, for whom a file still stands there."""

import os
from pathlib import Path

from sound import Sound, main

CASE = "crash.kill-server"
TRANSPORT = "stdio"


class Mended(Sound):
    def running(self) -> Path:
        return Path(os.environ["HOLDFAST_STATE"]) / "running"

    async def start(self) -> None:
        self.running().mkdir(parents=True, exist_ok=True)
        for name in os.listdir(self.running()):
            if not Path(f"/proc/{name}").exists():
                self.met(self.running() / name)
        (self.running() / str(os.getpid())).touch()

    def met(self, stale: Path) -> None:
        stale.unlink(missing_ok=True)

    async def finish(self) -> None:
        await super().finish()
        (self.running() / str(os.getpid())).unlink(missing_ok=True)


class Faulty(Mended):
    def met(self, stale: Path) -> None:
        raise SystemExit(f"the server {stale.name} is still running, or was not ended properly")


if __name__ == "__main__":
    main(Faulty, Mended)
