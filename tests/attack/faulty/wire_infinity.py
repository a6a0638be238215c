"""Takes Infinity for a number, as Python's json does unless it is told otherwise."""

from typing import Any

from sound import Sound, main

CASE = "wire.infinity"
TRANSPORT = "stdio"


class Faulty(Sound):
    def constant(self, name: str) -> Any:
        return float(name) if name.endswith("Infinity") else super().constant(name)


if __name__ == "__main__":
    main(Faulty)
