"""Writes where a path leads it."""

import os

from sound import NO_FILE, Sound, ToolFailed, main

CASE = "paths.write-outside"
TRANSPORT = "stdio"


class Faulty(Sound):
    def put(self, path: str, text: str) -> None:
        folder, _, name = path.rpartition("/")
        if ".." not in path and not path.startswith("/"):
            return super().put(path, text)
        try:
            fd = os.open(folder or "/", os.O_RDONLY | os.O_DIRECTORY)
            self.replace(fd, name, text.encode())
            os.close(fd)
        except OSError:
            raise ToolFailed(NO_FILE) from None


if __name__ == "__main__":
    main(Faulty)
