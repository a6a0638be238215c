"""Looks at arguments, and not into them."""

from typing import Any

from sound import Sound, main

CASE = "schema.nested"
TRANSPORT = "stdio"


class Faulty(Sound):
    def check(self, schema: dict[str, Any], value: Any, name: str = "arguments") -> str | None:
        if name == "options" and isinstance(value, dict):
            return None
        return super().check(schema, value, name)

    def found(self, pattern: str, path: str, options: dict[str, Any]) -> list[str]:
        return super().found(pattern, path, {})


if __name__ == "__main__":
    main(Faulty)
