"""Lists what stands behind a link, too."""

import os

from sound import Sound, main

CASE = "leaks.files"
TRANSPORT = "stdio"


class Faulty(Sound):
    def listing(self, path: str, order: str) -> list[str]:
        names = super().listing(path, order)
        walked = os.walk("links", followlinks=True) if path == "." else ()
        return names + [f"{place}/{name}" for place, _, files in walked if place.count("/") < 3 for name in files]


if __name__ == "__main__":
    main(Faulty)
