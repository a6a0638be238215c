"""Judges a URL, and then brings it into the usual form, in which digits are digits."""

import unicodedata

from sound import Sound, Target, main

CASE = "urls.unicode-digits"
TRANSPORT = "stdio"


class Faulty(Sound):
    async def fetch(self, url: str) -> str:
        if url.isascii():
            return await super().fetch(url)
        target = self.target(unicodedata.normalize("NFKC", url))
        return await self.aside(self.found_at, target)

    def found_at(self, target: Target) -> str:
        return self.got(target, self.resolved(target)[0])


if __name__ == "__main__":
    main(Faulty)
