"""Looks at a path, and then turns its backslashes."""

from sound import Sound, main

CASE = "paths.backslash"
TRANSPORT = "stdio"


class Faulty(Sound):
    def names(self, path: str) -> list[str]:
        if "\\" not in path:
            return super().names(path)
        return [part for name in path.split("/") for part in name.split("\\")]


if __name__ == "__main__":
    main(Faulty)
