"""Repeats what it is told, with all that is not seen in it."""

from typing import Any

from sound import Sound, main

CASE = "text.reflected"
TRANSPORT = "stdio"


class Faulty(Sound):
    repeated = ""

    async def echo(self, text: str) -> str:
        self.repeated = text
        return text

    def cleaned(self, value: Any) -> Any:
        return value if isinstance(value, str) and value == self.repeated else super().cleaned(value)


if __name__ == "__main__":
    main(Faulty)
