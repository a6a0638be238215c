"""Dies of a message that is nested deeper than Python's parser goes."""

import json
from typing import Any

from sound import Refused, Sound, main
from sound.errors import PARSE_ERROR

CASE = "wire.deep"
TRANSPORT = "stdio"


class Faulty(Sound):
    DEPTH = ELEMENTS = 1_000_000

    def loaded(self, text: str) -> Any:
        try:
            return json.loads(text, object_pairs_hook=self.pairs, parse_constant=self.constant, parse_int=self.integer)
        except ValueError:
            raise Refused(PARSE_ERROR, "a message is JSON") from None


if __name__ == "__main__":
    main(Faulty)
