"""Takes any text where it lists a few."""

from typing import Any

from sound import Sound, main

CASE = "schema.enum"
TRANSPORT = "stdio"


class Faulty(Sound):
    def of_list(self, schema: dict[str, Any], value: Any, name: str) -> str | None:
        return None


if __name__ == "__main__":
    main(Faulty)
