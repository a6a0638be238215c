"""Takes true for an id, since Python takes it for a number."""

from typing import Any

from sound import Sound, main

CASE = "wire.id-bool"
TRANSPORT = "stdio"


class Faulty(Sound):
    def is_id(self, number: Any) -> bool:
        return isinstance(number, bool) or super().is_id(number)


if __name__ == "__main__":
    main(Faulty)
