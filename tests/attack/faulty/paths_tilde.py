"""Takes ~ for the home of its user."""

import os

from sound import Sound, main

CASE = "paths.tilde"
TRANSPORT = "stdio"


class Faulty(Sound):
    def content(self, path: str) -> str:
        if not path.startswith("~"):
            return super().content(path)
        with open(os.path.expanduser(path), errors="replace") as file:
            return file.read(self.FILE)

    def listing(self, path: str, order: str) -> list[str]:
        if not path.startswith("~"):
            return super().listing(path, order)
        return sorted(os.listdir(os.path.expanduser(path)))


if __name__ == "__main__":
    main(Faulty)
