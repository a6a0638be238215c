"""Keeps a record of what was asked, and dies of half of a character, which cannot be encoded."""

import json
from typing import Any

from sound import Sound, main

CASE = "wire.surrogate-argument"
TRANSPORT = "stdio"


class Faulty(Sound):
    def whole(self, message: dict[str, Any]) -> None:
        self.recorded = json.dumps(message, ensure_ascii=False).encode()


if __name__ == "__main__":
    main(Faulty)
