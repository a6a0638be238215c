"""Passes on characters that turn the order of others."""

import re

from sound import Sound, main

CASE = "text.bidi"
TRANSPORT = "stdio"


class Faulty(Sound):
    def unhidden(self, text: str) -> str:
        parts = re.split("([\u202a-\u202e\u2066-\u2069]+)", text)
        return "".join(part if part in parts[1::2] else super(Faulty, self).unhidden(part) for part in parts)


if __name__ == "__main__":
    main(Faulty)
