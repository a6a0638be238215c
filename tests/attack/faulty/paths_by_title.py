"""Makes a file's name of a title, whatever that holds."""

from sound import Sound, Tool, ToolFailed, annotated, main, text

CASE = "paths.write-outside"
TRANSPORT = "stdio"


class Mended(Sound):
    def tools(self) -> tuple[Tool, ...]:
        given = {"title": text("what it is called", 200), "body": text("what it says", 1_000)}
        return (*super().tools(), Tool("keep", "Keep a note.", given, (), annotated(writes=True)))

    async def keep(self, title: str, body: str) -> str:
        if not self.is_title(title):
            raise ToolFailed("a title is letters and digits")
        try:
            with open(f"notes/{title}.md", "w", encoding="utf-8") as file:
                file.write(body)
        except (OSError, ValueError):
            raise ToolFailed("the note was not kept") from None
        return "kept"

    def is_title(self, title: str) -> bool:
        return title.replace(" ", "").isalnum()


class Faulty(Mended):
    def is_title(self, title: str) -> bool:
        return len(title) < 200


if __name__ == "__main__":
    main(Faulty, Mended)
