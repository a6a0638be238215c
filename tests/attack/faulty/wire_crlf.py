"""Refuses lines that end with CR LF."""

from typing import Any

from sound import Refused, Sound, main

CASE = "wire.crlf"
TRANSPORT = "stdio"


class Faulty(Sound):
    def parse(self, raw: bytes) -> dict[str, Any]:
        if raw.endswith(b"\r"):
            raise Refused(-32700, "a line ends with a newline")
        return super().parse(raw)


if __name__ == "__main__":
    main(Faulty)
