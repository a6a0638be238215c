"""Reads .env in the folder that it is started in."""

from pathlib import Path

from sound import Sound, main

CASE = "hygiene.env-file"
TRANSPORT = "stdio"


class Faulty(Sound):
    async def start(self) -> None:
        if Path(".env").is_file():
            self.settings = Path(".env").read_text()


if __name__ == "__main__":
    main(Faulty)
