"""Looks at a title by a pattern with one repetition in another."""

import re

from sound import Sound, Tool, annotated, main, text

CASE = "time.text"
TRANSPORT = "stdio"


class Mended(Sound):
    pattern = re.compile(r"^\w+([ ,'/-]\w+)*[ ,'/-]?$")

    def tools(self) -> tuple[Tool, ...]:
        told = "Say whether a title will do."
        return (*super().tools(), Tool("check_title", told, {"title": text("the title", 200)}, (), annotated()))

    async def check_title(self, title: str) -> str:
        return "it will do" if self.pattern.match(title) else "a title is words"


class Faulty(Mended):
    pattern = re.compile(r"^(\w+[ ,'/-]?)+$")


if __name__ == "__main__":
    main(Faulty, Mended)
