"""Reads a file of any size."""

import os
import stat

from sound import NO_FILE, Sound, ToolFailed, main

CASE = "paths.sparse-huge"
TRANSPORT = "stdio"


class Faulty(Sound):
    def inspect(self, seen: os.stat_result) -> None:
        if not stat.S_ISREG(seen.st_mode) or seen.st_nlink != 1:
            raise ToolFailed(NO_FILE)

    def content(self, path: str) -> str:
        with os.fdopen(self.opened(path), "rb") as file:
            return file.read().decode("utf-8", "replace")


if __name__ == "__main__":
    main(Faulty)
