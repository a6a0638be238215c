"""Reads bytes that are no UTF-8 as though they were something."""

from sound import Sound, main

CASE = "http.body-utf8"
TRANSPORT = "http"


class Faulty(Sound):
    def decoded(self, raw: bytes) -> str:
        return raw.decode("utf-8", "replace")


if __name__ == "__main__":
    main(Faulty)
