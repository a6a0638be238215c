"""Takes a letter for a format, whose fields reach whatever an object leads to."""

from dataclasses import dataclass

from sound import Sound, Tool, ToolFailed, annotated, main, text

CASE = "commands.format"
TRANSPORT = "stdio"


@dataclass
class Customer:
    name: str

    def __str__(self) -> str:
        return self.name


class Mended(Sound):
    customer = Customer("Ada")

    def tools(self) -> tuple[Tool, ...]:
        told = "Fill a letter in, such as Dear {customer}."
        return (*super().tools(), Tool("preview", told, {"template": text("the letter", 1_000)}, (), annotated()))

    async def preview(self, template: str) -> str:
        return template.replace("{customer}", str(self.customer))


class Faulty(Mended):
    async def preview(self, template: str) -> str:
        try:
            return template.format(customer=self.customer)
        except (AttributeError, LookupError, TypeError, ValueError):
            raise ToolFailed("a letter has one field, {customer}") from None


if __name__ == "__main__":
    main(Faulty, Mended)
