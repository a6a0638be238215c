"""Writes over the old file, so that half of it is gone when it is killed."""

import os

from sound import Sound, main

CASE = "crash.write-whole"
TRANSPORT = "stdio"
SLOW = True


class Faulty(Sound):
    def replace(self, folder: int, name: str, data: bytes) -> None:
        fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600, dir_fd=folder)
        with os.fdopen(fd, "wb", 0) as file:
            for start in range(0, len(data), 512):
                file.write(data[start : start + 512])
                os.fsync(fd)


if __name__ == "__main__":
    main(Faulty)
