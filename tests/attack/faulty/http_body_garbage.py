"""Fails at a body that is empty."""

from typing import Any

from sound import HttpRefused, Sound, main

CASE = "http.body-garbage"
TRANSPORT = "http"


class Faulty(Sound):
    def parse(self, raw: bytes) -> dict[str, Any]:
        if not raw:
            raise HttpRefused(500, "internal error")
        return super().parse(raw)


if __name__ == "__main__":
    main(Faulty)
