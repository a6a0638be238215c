"""Opens a path as far as a NUL, and looks only at what stands behind it."""

from sound import Sound, main

CASE = "paths.nul"
TRANSPORT = "stdio"


class Faulty(Sound):
    def names(self, path: str) -> list[str]:
        first, nul, _ = path.partition("\0")
        return [name for name in first.split("/") if name] if nul else super().names(path)


if __name__ == "__main__":
    main(Faulty)
