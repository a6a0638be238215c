"""Takes null for whatever may be left out."""

from typing import Any

from sound import Sound, main

CASE = "schema.null"
TRANSPORT = "stdio"


class Faulty(Sound):
    def check(self, schema: dict[str, Any], value: Any, name: str = "arguments") -> str | None:
        return None if value is None else super().check(schema, value, name)

    async def echo(self, text: str | None) -> str:
        return text or ""


if __name__ == "__main__":
    main(Faulty)
