"""Takes the last of two values for one key, whatever a filter in front has made of the first."""

from typing import Any

from sound import Sound, main

CASE = "wire.duplicate-keys"
TRANSPORT = "stdio"


class Faulty(Sound):
    def pairs(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        return dict(pairs)


if __name__ == "__main__":
    main(Faulty)
