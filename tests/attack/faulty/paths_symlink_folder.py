"""Follows a link to a folder."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from sound import NO_FILE, Sound, ToolFailed, main

CASE = "paths.symlink-folder"
TRANSPORT = "stdio"


class Faulty(Sound):
    @contextmanager
    def folder(self, names: list[str]) -> Iterator[int]:
        try:
            here = os.open("/".join(names) or ".", os.O_RDONLY | os.O_DIRECTORY)
            try:
                yield here
            finally:
                os.close(here)
        except OSError:
            raise ToolFailed(NO_FILE) from None


if __name__ == "__main__":
    main(Faulty)
