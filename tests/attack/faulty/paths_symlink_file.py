"""Follows a link to a file (CVE-2025-53109)."""

import os

from sound import NO_FILE, Sound, ToolFailed, main

CASE = "paths.symlink-file"
TRANSPORT = "stdio"


class Faulty(Sound):
    def opened(self, path: str) -> int:
        names = self.names(path)
        try:
            with self.folder(names[:-1]) as folder:
                fd = os.open(names[-1], os.O_RDONLY | os.O_NONBLOCK, dir_fd=folder)
        except (OSError, IndexError):
            raise ToolFailed(NO_FILE) from None
        self.inspect(os.fstat(fd))
        return fd


if __name__ == "__main__":
    main(Faulty)
