"""Drops lines that are no JSON without a word, so that a client whose line was spoilt waits for ever."""

from typing import Any

from sound import Refused, Sound, main

CASE = "wire.garbage"
TRANSPORT = "stdio"


class Faulty(Sound):
    def refusal(self, refused: Refused) -> dict[str, Any] | None:
        return None if refused.message == "a message is JSON" else super().refusal(refused)


if __name__ == "__main__":
    main(Faulty)
