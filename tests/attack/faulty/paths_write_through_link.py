"""Writes to whatever a link leads to."""

import os

from sound import Sound, main

CASE = "paths.write-through-link"
TRANSPORT = "stdio"


class Faulty(Sound):
    def put(self, path: str, text: str) -> None:
        if os.path.islink(path):
            with open(path, "w") as file:
                file.write(text)
        else:
            super().put(path, text)


if __name__ == "__main__":
    main(Faulty)
