"""Does not compare the headers with the body."""

from typing import Any

from sound import Sound, main

CASE = "http.header-mismatch"
TRANSPORT = "http"


class Faulty(Sound):
    def says(self, header: str | None, value: Any) -> bool:
        return header is not None


if __name__ == "__main__":
    main(Faulty)
