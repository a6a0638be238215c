"""Works a sum out by having it evaluated."""

from sound import Sound, Tool, ToolFailed, annotated, main, text

CASE = "commands.code"
TRANSPORT = "stdio"


class Mended(Sound):
    def tools(self) -> tuple[Tool, ...]:
        told = "Work out a sum such as 2 + 3."
        return (*super().tools(), Tool("calculate", told, {"expression": text("the sum", 500)}, (), annotated()))

    async def calculate(self, expression: str) -> str:
        try:
            return str(self.worked_out(expression))
        except (ArithmeticError, AttributeError, NameError, SyntaxError, TypeError, ValueError):
            raise ToolFailed("this is no sum") from None

    def worked_out(self, expression: str) -> object:
        return sum(int(number) for number in expression.split("+"))


class Faulty(Mended):
    def worked_out(self, expression: str) -> object:
        return eval(expression)  # noqa: S307 - the fault


if __name__ == "__main__":
    main(Faulty, Mended)
