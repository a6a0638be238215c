"""Dies of an id that is an object, which no table takes for a key."""

from typing import Any

from sound import Sound, main

CASE = "wire.id-object"
TRANSPORT = "stdio"


class Faulty(Sound):
    def is_id(self, number: Any) -> bool:
        return isinstance(number, dict | list) or super().is_id(number)


if __name__ == "__main__":
    main(Faulty)
