"""Never waits for the programs that it starts."""

import subprocess

from sound import Sound, main

CASE = "hygiene.zombies"
TRANSPORT = "stdio"
SLOW = True


class Faulty(Sound):
    def __init__(self) -> None:
        super().__init__()
        self.started: list[subprocess.Popen[bytes]] = []

    async def printed(self, *words: str) -> str:
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=self.git_environment())
        self.started.append(process)
        assert process.stdout is not None
        with process.stdout as output:
            return output.read(self.OUTPUT).decode("utf-8", "replace")


if __name__ == "__main__":
    main(Faulty)
