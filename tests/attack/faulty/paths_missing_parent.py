"""Takes a folder that is not there for one that cannot be outside, and makes it."""

import os

from sound import Sound, main

CASE = "paths.missing-parent"
TRANSPORT = "stdio"


class Faulty(Sound):
    def put(self, path: str, text: str) -> None:
        folder = os.path.dirname(path)
        if not folder or os.path.exists(folder):
            return super().put(path, text)
        os.makedirs(folder)
        with open(path, "w") as file:
            file.write(text)


if __name__ == "__main__":
    main(Faulty)
