"""Drops batches without a word."""

from typing import Any

from sound import Refused, Sound, main

CASE = "wire.batch"
TRANSPORT = "stdio"


class Faulty(Sound):
    def refusal(self, refused: Refused) -> dict[str, Any] | None:
        return None if refused.message.startswith("batches") else super().refusal(refused)


if __name__ == "__main__":
    main(Faulty)
