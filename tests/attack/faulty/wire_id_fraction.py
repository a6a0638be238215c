"""Takes 1.5 for an id."""

from typing import Any

from sound import Sound, main

CASE = "wire.id-fraction"
TRANSPORT = "stdio"


class Faulty(Sound):
    def is_id(self, number: Any) -> bool:
        return isinstance(number, float) or super().is_id(number)


if __name__ == "__main__":
    main(Faulty)
