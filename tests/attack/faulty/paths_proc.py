"""Shows what the system says of its processes."""

import os

from sound import Sound, main

CASE = "paths.proc"
TRANSPORT = "stdio"


class Faulty(Sound):
    def opened(self, path: str) -> int:
        return os.open(path, os.O_RDONLY) if path.startswith("/proc/") else super().opened(path)


if __name__ == "__main__":
    main(Faulty)
