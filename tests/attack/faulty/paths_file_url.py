"""Takes the URL of a file for its path."""

import os

from sound import Sound, main

CASE = "paths.file-url"
TRANSPORT = "stdio"


class Faulty(Sound):
    def opened(self, path: str) -> int:
        if not path.startswith("file://"):
            return super().opened(path)
        return os.open(path.removeprefix("file://"), os.O_RDONLY | os.O_NONBLOCK)


if __name__ == "__main__":
    main(Faulty)
