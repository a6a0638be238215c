"""Goes up where a path says so."""

from sound import Sound, main

CASE = "paths.parent"
TRANSPORT = "stdio"


class Faulty(Sound):
    def names(self, path: str) -> list[str]:
        names = super().names(path.replace("../", ""))
        return [".."] * path.count("../") + names


if __name__ == "__main__":
    main(Faulty)
