"""Answers a method that it does not know with an empty result."""

from typing import Any

from sound import Sound, main

CASE = "wire.unknown-method"
TRANSPORT = "stdio"


class Faulty(Sound):
    def unknown_method(self, method: str) -> dict[str, Any]:
        return {}


if __name__ == "__main__":
    main(Faulty)
