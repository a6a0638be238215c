"""Passes on what a terminal obeys."""

from sound import Sound, main
from sound.text import CONTROLS

CASE = "text.ansi"
TRANSPORT = "stdio"


class Faulty(Sound):
    def uncontrolled(self, text: str) -> str:
        return "\x1b".join(CONTROLS.sub("\ufffd", part) for part in text.split("\x1b"))


if __name__ == "__main__":
    main(Faulty)
