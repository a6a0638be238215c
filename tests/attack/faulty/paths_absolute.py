"""Takes an absolute path, unless it is on a list of those that are known to be harmful."""

import os

from sound import NO_FILE, Sound, ToolFailed, main

CASE = "paths.absolute"
TRANSPORT = "stdio"


class Faulty(Sound):
    def opened(self, path: str) -> int:
        if not path.startswith("/"):
            return super().opened(path)
        if path.startswith(("/etc", "/proc", "/dev", "/sys", "/root")):
            raise ToolFailed(NO_FILE)
        try:
            fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            raise ToolFailed(NO_FILE) from None
        self.inspect(os.fstat(fd))
        return fd


if __name__ == "__main__":
    main(Faulty)
