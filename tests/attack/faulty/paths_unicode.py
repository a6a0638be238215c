"""Looks at a path, and then brings it into the usual form, in which dots are dots."""

import unicodedata

from sound import Sound, main

CASE = "paths.unicode"
TRANSPORT = "stdio"


class Faulty(Sound):
    def names(self, path: str) -> list[str]:
        names = super().names(path)
        return [part for name in names for part in unicodedata.normalize("NFKC", name).split("/") if part]


if __name__ == "__main__":
    main(Faulty)
