"""Judges the addresses of http, and connects to those of other schemes."""

from urllib.parse import urlsplit

from sound import Sound, Target, main

CASE = "urls.other-schemes"
TRANSPORT = "stdio"


class Faulty(Sound):
    async def fetch(self, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme in ("", "http", "https", "file") or not parts.hostname or not parts.port:
            return await super().fetch(url)
        target = Target("http", parts.hostname, parts.port, parts.path or "/")
        return await self.aside(self.got, target, target.host)


if __name__ == "__main__":
    main(Faulty)
