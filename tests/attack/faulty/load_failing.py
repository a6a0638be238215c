"""Works hard on the text of every failure."""

from typing import Any

from sound import Sound, main

CASE = "load.failing"
TRANSPORT = "stdio"
SLOW = True


class Faulty(Sound):
    def failed(self, why: str) -> dict[str, Any]:
        sum(number * number for number in range(8_000_000))
        return super().failed(why)


if __name__ == "__main__":
    main(Faulty)
