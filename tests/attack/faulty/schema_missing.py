"""Takes nothing for what is missing."""

from typing import Any

from sound import Sound, main

CASE = "schema.missing"
TRANSPORT = "stdio"


class Faulty(Sound):
    def complete(self, schema: dict[str, Any], value: Any, name: str) -> str | None:
        return None

    async def add(self, a: int = 0, b: int = 0) -> str:
        return await super().add(a, b)

    async def echo(self, text: str = "") -> str:
        return text

    async def wait(self, seconds: float = 0.0) -> str:
        return await super().wait(seconds)


if __name__ == "__main__":
    main(Faulty)
