"""Does not ask whether a file has another name outside."""

import os
import stat

from sound import NO_FILE, Sound, ToolFailed, main

CASE = "paths.hard-link"
TRANSPORT = "stdio"


class Faulty(Sound):
    def inspect(self, seen: os.stat_result) -> None:
        if not stat.S_ISREG(seen.st_mode) or seen.st_size > self.FILE:
            raise ToolFailed(NO_FILE)


if __name__ == "__main__":
    main(Faulty)
