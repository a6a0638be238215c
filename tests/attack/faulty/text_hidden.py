"""Passes on characters that nobody sees, and models read."""

import re

from sound import Sound, main

CASE = "text.hidden"
TRANSPORT = "stdio"


class Faulty(Sound):
    def unhidden(self, text: str) -> str:
        parts = re.split("([\U000e0000-\U000e007f]+)", text)
        return "".join(part if part in parts[1::2] else super(Faulty, self).unhidden(part) for part in parts)


if __name__ == "__main__":
    main(Faulty)
