"""Takes marks out of a text one character after the other, and copies the rest of it each time."""

from sound import Sound, Tool, annotated, main, text

CASE = "time.text"
TRANSPORT = "stdio"

MARKS = "*_`#>~"


class Mended(Sound):
    LINE = 2_097_152

    def tools(self) -> tuple[Tool, ...]:
        given = {"markdown": text("a text with marks", 1_000_000)}
        return (*super().tools(), Tool("plain", "Take the marks out of a text.", given, (), annotated()))

    async def plain(self, markdown: str) -> str:
        return self.unmarked(markdown)

    def unmarked(self, markdown: str) -> str:
        return markdown.translate(str.maketrans("", "", MARKS))


class Faulty(Mended):
    def unmarked(self, markdown: str) -> str:
        plain, rest = "", list(markdown)
        while rest:
            plain, rest = plain + rest[0].strip(MARKS), rest[1:]
        return plain


if __name__ == "__main__":
    main(Faulty, Mended)
