"""Has a root of its own, and looks at a path before it follows the links in it."""

import os
from pathlib import Path

from sound import NO_FILE, ToolFailed, main
from sound.pages import Pages

CASE = "paths.symlink-file"
TRANSPORT = "stdio"


class Mended(Pages):
    pass


class Faulty(Mended):
    def parts(self, path: str) -> list[str]:
        whole = Path(os.path.normpath(self.root / path))
        if "\0" in path or not self.holds(whole):
            raise ToolFailed(NO_FILE)
        return list(whole.resolve().parts)


if __name__ == "__main__":
    main(Faulty, Mended)
