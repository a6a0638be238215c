"""Leaves every file open that it has read."""

import os

from sound import Sound, main

CASE = "load.descriptors"
TRANSPORT = "stdio"
SLOW = True


class Faulty(Sound):
    def content(self, path: str) -> str:
        with os.fdopen(self.opened(path), "rb") as file:
            os.dup(file.fileno())
            return file.read(self.FILE).decode("utf-8", "replace")


if __name__ == "__main__":
    main(Faulty)
