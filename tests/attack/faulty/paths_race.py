"""Looks where a path leads, and opens it afterwards."""

import os

from sound import NO_FILE, Sound, ToolFailed, main

CASE = "paths.race"
TRANSPORT = "stdio"
SLOW = True


class Faulty(Sound):
    def opened(self, path: str) -> int:
        whole = os.path.realpath(path)
        if os.path.commonpath([whole, os.getcwd()]) != os.getcwd() or "/." in whole.removeprefix(os.getcwd()):
            raise ToolFailed(NO_FILE)
        try:
            fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        except OSError:
            raise ToolFailed(NO_FILE) from None
        self.inspect(os.fstat(fd))
        return fd


if __name__ == "__main__":
    main(Faulty)
