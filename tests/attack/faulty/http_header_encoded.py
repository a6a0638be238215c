"""Takes a name in base64 for another name."""

from typing import Any

from sound import Sound, main

CASE = "http.header-encoded"
TRANSPORT = "http"


class Faulty(Sound):
    def says(self, header: str | None, value: Any) -> bool:
        return header == value


if __name__ == "__main__":
    main(Faulty)
