"""Does not look at the types of what it is sent."""

from typing import Any

from sound import Sound, main

CASE = "schema.type"
TRANSPORT = "stdio"


class Faulty(Sound):
    def check(self, schema: dict[str, Any], value: Any, name: str = "arguments") -> str | None:
        if schema["type"] == "string" and isinstance(value, list | dict):
            return None
        return super().check(schema, value, name)

    async def echo(self, text: str) -> str:
        return str(text)


if __name__ == "__main__":
    main(Faulty)
