"""Writes into the repository's own folder, from which git runs programs."""

from sound import Sound, main

CASE = "paths.git-folder"
TRANSPORT = "stdio"


class Faulty(Sound):
    def names(self, path: str) -> list[str]:
        names = super().names(path.removeprefix(".git/"))
        return [".git", *names] if path.startswith(".git/") else names


if __name__ == "__main__":
    main(Faulty)
