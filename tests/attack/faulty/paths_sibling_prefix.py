"""Holds a path against the root letter by letter, so that root-private is in root (CVE-2025-53110)."""

import os

from sound import NO_FILE, Sound, ToolFailed, main

CASE = "paths.sibling-prefix"
TRANSPORT = "stdio"


class Faulty(Sound):
    def opened(self, path: str) -> int:
        whole = os.path.realpath(path)
        if not whole.startswith(os.getcwd()) or "/." in whole.removeprefix(os.getcwd()):
            raise ToolFailed(NO_FILE)
        try:
            fd = os.open(whole, os.O_RDONLY | os.O_NONBLOCK)
        except OSError:
            raise ToolFailed(NO_FILE) from None
        self.inspect(os.fstat(fd))
        return fd


if __name__ == "__main__":
    main(Faulty)
