"""Dies of an integer of 5,000 digits, of which CPython makes no number."""

import json
from typing import Any

from sound import Refused, Sound, main
from sound.errors import PARSE_ERROR

CASE = "wire.big-integer"
TRANSPORT = "stdio"


class Faulty(Sound):
    def loaded(self, text: str) -> Any:
        try:
            return json.loads(text, object_pairs_hook=self.pairs, parse_constant=self.constant)
        except (json.JSONDecodeError, RecursionError):
            raise Refused(PARSE_ERROR, "a message is JSON") from None


if __name__ == "__main__":
    main(Faulty)
