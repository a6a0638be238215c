"""Does not keep the bounds that it names."""

from typing import Any

from sound import Sound, main

CASE = "schema.bounds"
TRANSPORT = "stdio"


class Faulty(Sound):
    def within(self, schema: dict[str, Any], value: Any, name: str) -> str | None:
        return None


if __name__ == "__main__":
    main(Faulty)
