"""Leaves a program behind that it has started."""

import subprocess

from sound import Sound, main

CASE = "hygiene.orphans"
TRANSPORT = "stdio"


class Mended(Sound):
    async def start(self) -> None:
        self.beside = subprocess.Popen(
            ["sleep", "60"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True
        )

    async def finish(self) -> None:
        await super().finish()
        self.beside.kill()
        self.beside.wait()


class Faulty(Mended):
    async def finish(self) -> None:
        await super(Mended, self).finish()


if __name__ == "__main__":
    main(Faulty, Mended)
