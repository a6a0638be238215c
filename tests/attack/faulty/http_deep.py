"""Fails at a body that is nested deeper than Python's parser goes."""

import json
from typing import Any

from sound import HttpRefused, Refused, Sound, main

CASE = "http.deep"
TRANSPORT = "http"


class Faulty(Sound):
    DEPTH = ELEMENTS = 1_000_000

    def loaded(self, text: str) -> Any:
        try:
            return json.loads(text, object_pairs_hook=self.pairs, parse_constant=self.constant, parse_int=self.integer)
        except RecursionError:
            raise HttpRefused(500, "internal error") from None
        except ValueError:
            raise Refused(-32700, "a message is JSON") from None


if __name__ == "__main__":
    main(Faulty)
