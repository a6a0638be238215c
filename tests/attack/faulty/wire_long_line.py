"""Drops a line that is too long without a word."""

from typing import Any

from sound import Refused, Sound, main

CASE = "wire.long-line"
TRANSPORT = "stdio"
SLOW = True


class Faulty(Sound):
    def refusal(self, refused: Refused) -> dict[str, Any] | None:
        return None if refused.message == "the line is too long" else super().refusal(refused)


if __name__ == "__main__":
    main(Faulty)
