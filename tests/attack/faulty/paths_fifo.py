"""Opens a pipe, and waits for somebody to write to it."""

import os

from sound import NO_FILE, Sound, ToolFailed, main

CASE = "paths.fifo"
TRANSPORT = "stdio"
SLOW = True


class Faulty(Sound):
    def opened(self, path: str) -> int:
        names = self.names(path)
        with self.folder(names[:-1]) as folder:
            try:
                fd = os.open(names[-1], os.O_RDONLY | os.O_NOFOLLOW, dir_fd=folder)
            except (OSError, IndexError):
                raise ToolFailed(NO_FILE) from None
        self.inspect(os.fstat(fd))
        return fd


if __name__ == "__main__":
    main(Faulty)
