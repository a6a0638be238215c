"""Has options read by a parser that ends the program at any that it does not know."""

from argparse import ArgumentParser
from typing import NoReturn

from sound import Sound, Tool, ToolFailed, annotated, main, text

CASE = "crash.call"
TRANSPORT = "stdio"


class Parser(ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ToolFailed("the options are --days NUMBER and --short")


class Mended(Sound):
    parser = Parser

    def tools(self) -> tuple[Tool, ...]:
        given = {"options": text("what to report, such as --days 7 --short", 500)}
        return (*super().tools(), Tool("report", "Report what was sold.", given, (), annotated()))

    async def report(self, options: str) -> str:
        parser = self.parser(add_help=False)
        parser.add_argument("--days", type=int, default=7)
        parser.add_argument("--short", action="store_true")
        given = parser.parse_args(options.split())
        return "nothing" if given.short else f"nothing was sold in {given.days} days"


class Faulty(Mended):
    parser = ArgumentParser


if __name__ == "__main__":
    main(Faulty, Mended)
