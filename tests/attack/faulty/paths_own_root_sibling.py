"""Has a root of its own, and holds a path against it letter by letter."""

from pathlib import Path

from sound import main
from sound.pages import Pages

CASE = "paths.sibling-prefix"
TRANSPORT = "stdio"


class Mended(Pages):
    pass


class Faulty(Mended):
    def holds(self, whole: Path) -> bool:
        return str(whole).startswith(str(self.root))


if __name__ == "__main__":
    main(Faulty, Mended)
