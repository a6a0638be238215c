"""Passes on the control characters that stand behind those of ASCII."""

import re

from sound import Sound, main

CASE = "text.c1"
TRANSPORT = "stdio"


class Faulty(Sound):
    def uncontrolled(self, text: str) -> str:
        parts = re.split("([\x80-\x9f])", text)
        return "".join(part if part in parts[1::2] else super(Faulty, self).uncontrolled(part) for part in parts)


if __name__ == "__main__":
    main(Faulty)
