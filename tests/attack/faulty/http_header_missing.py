"""Compares the headers that are there, and misses none."""

from typing import Any

from sound import Sound, main

CASE = "http.header-missing"
TRANSPORT = "http"


class Faulty(Sound):
    def says(self, header: str | None, value: Any) -> bool:
        return header is None or super().says(header, value)


if __name__ == "__main__":
    main(Faulty)
