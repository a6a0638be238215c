"""Leaves a program running with each call."""

import subprocess

from sound import Sound, main

CASE = "load.processes"
TRANSPORT = "stdio"
SLOW = True


class Faulty(Sound):
    def __init__(self) -> None:
        super().__init__()
        self.left_running: list[subprocess.Popen[bytes]] = []

    async def echo(self, text: str) -> str:
        nothing = subprocess.DEVNULL
        self.left_running.append(subprocess.Popen(["sleep", "60"], stdin=nothing, stdout=nothing, stderr=nothing))
        return text


if __name__ == "__main__":
    main(Faulty)
