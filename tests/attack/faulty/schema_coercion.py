"""Takes "41" for 41."""

from typing import Any

from sound import Sound, main

CASE = "schema.coercion"
TRANSPORT = "stdio"


class Faulty(Sound):
    def check(self, schema: dict[str, Any], value: Any, name: str = "arguments") -> str | None:
        if schema["type"] == "integer" and isinstance(value, str) and value.lstrip("-").isdigit():
            value = int(value)
        return super().check(schema, value, name)


if __name__ == "__main__":
    main(Faulty)
