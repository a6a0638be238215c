"""Fetches files, too."""

from urllib.request import url2pathname

from sound import Sound, main

CASE = "urls.file-scheme"
TRANSPORT = "stdio"


class Faulty(Sound):
    async def fetch(self, url: str) -> str:
        if not url.startswith("file://"):
            return await super().fetch(url)
        with open(url2pathname(url.removeprefix("file://").removeprefix("localhost")), errors="replace") as file:
            return file.read(self.PAGE)


if __name__ == "__main__":
    main(Faulty)
