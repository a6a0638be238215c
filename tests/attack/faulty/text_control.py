"""Passes on control characters, with which a text writes over itself."""

import re

from sound import Sound, main

CASE = "text.control"
TRANSPORT = "stdio"


class Faulty(Sound):
    def uncontrolled(self, text: str) -> str:
        parts = re.split("([\x00-\x08\x7f])", text)
        return "".join(part if part in parts[1::2] else super(Faulty, self).uncontrolled(part) for part in parts)


if __name__ == "__main__":
    main(Faulty)
