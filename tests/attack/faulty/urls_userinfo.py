"""Judges the host as far as an @, and connects to the one behind it."""

from urllib.parse import urlsplit

from sound import Sound, Target, main

CASE = "urls.userinfo"
TRANSPORT = "stdio"


class Faulty(Sound):
    async def fetch(self, url: str) -> str:
        parts = urlsplit(url)
        if "@" in parts.netloc and parts.hostname:
            target = Target("http", parts.hostname, parts.port or 80, parts.path or "/")
            return await self.aside(self.got, target, target.host)
        return await super().fetch(url)


if __name__ == "__main__":
    main(Faulty)
