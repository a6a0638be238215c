"""Has a worker for its calls, and waits for ever when it is gone."""

import asyncio
import sys
from typing import Any

from sound import Sound, Tool, main

CASE = "crash.kill-worker"
TRANSPORT = "stdio"
SLOW = True


WORKER = """
import sys
for line in sys.stdin:
    sum(number * number for number in range(150_000))
    print(line, end='', flush=True)
"""


class Mended(Sound):
    worker: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        self.turns = asyncio.Lock()
        self.worker = await asyncio.create_subprocess_exec(
            sys.executable, "-c", WORKER, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )

    async def finish(self) -> None:
        await super().finish()
        if self.worker is not None and self.worker.returncode is None:
            self.worker.kill()
            await self.worker.wait()

    async def perform(self, tool: Tool, arguments: dict[str, Any]) -> dict[str, Any]:
        async with self.turns:
            if not await self.worked():
                return await self.lost()
        return await super().perform(tool, arguments)

    async def worked(self) -> bool:
        assert self.worker is not None
        assert self.worker.stdin is not None
        assert self.worker.stdout is not None
        try:
            self.worker.stdin.write(b"work\n")
            await self.worker.stdin.drain()
            return await self.worker.stdout.readline() != b""
        except ConnectionError:
            return False

    async def lost(self) -> dict[str, Any]:
        turns = self.turns
        await Mended.start(self)
        self.turns = turns
        return self.failed("the call was lost, try again")


class Faulty(Mended):
    async def lost(self) -> dict[str, Any]:
        await asyncio.Event().wait()
        raise AssertionError


if __name__ == "__main__":
    main(Faulty, Mended)
