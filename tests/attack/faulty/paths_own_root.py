"""Has a root of its own, and goes up from it where a path says so."""

from sound import NO_FILE, ToolFailed, main
from sound.pages import Pages

CASE = "paths.parent"
TRANSPORT = "stdio"


class Mended(Pages):
    pass


class Faulty(Mended):
    def parts(self, path: str) -> list[str]:
        if path.startswith("/"):
            raise ToolFailed(NO_FILE)
        return [*self.root.parts, *filter(None, path.split("/"))]


if __name__ == "__main__":
    main(Faulty, Mended)
