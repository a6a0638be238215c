"""Says what it does not take by repeating it."""

from typing import Any

from sound import Sound, main

CASE = "leaks.error-echo"
TRANSPORT = "stdio"


class Faulty(Sound):
    def check(self, schema: dict[str, Any], value: Any, name: str = "arguments") -> str | None:
        problem = super().check(schema, value, name)
        return f"{problem}: {value}" if problem else None


if __name__ == "__main__":
    main(Faulty)
