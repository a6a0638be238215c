"""Looks at a path, and then decodes it."""

from urllib.parse import unquote

from sound import Sound, main

CASE = "paths.encoded"
TRANSPORT = "stdio"


class Faulty(Sound):
    def names(self, path: str) -> list[str]:
        return [part for name in super().names(path) for part in unquote(name).split("/")]


if __name__ == "__main__":
    main(Faulty)
