"""Looks where a link leads, but not whether there is another one."""

import os

from sound import NO_FILE, Sound, ToolFailed, main

CASE = "paths.symlink-chain"
TRANSPORT = "stdio"


class Faulty(Sound):
    def opened(self, path: str) -> int:
        self.names(path)
        leads = os.path.join(os.path.dirname(path), os.readlink(path)) if os.path.islink(path) else path
        if not os.path.normpath(os.path.abspath(leads)).startswith(os.getcwd() + "/"):
            raise ToolFailed(NO_FILE)
        try:
            fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        except OSError:
            raise ToolFailed(NO_FILE) from None
        self.inspect(os.fstat(fd))
        return fd


if __name__ == "__main__":
    main(Faulty)
