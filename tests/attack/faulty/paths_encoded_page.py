"""Has a root of its own, and looks at the name of a page before it decodes it."""

from urllib.parse import unquote

from sound import NO_FILE, ToolFailed, main
from sound.pages import Pages

CASE = "paths.encoded"
TRANSPORT = "stdio"


class Mended(Pages):
    named = "page"

    def parts(self, path: str) -> list[str]:
        return super().parts(unquote(path))


class Faulty(Mended):
    def parts(self, path: str) -> list[str]:
        if ".." in path or path.startswith("/"):
            raise ToolFailed(NO_FILE)
        return [*self.root.parts, *filter(None, unquote(path).split("/"))]


if __name__ == "__main__":
    main(Faulty, Mended)
