"""Answers the pages of every site."""

from sound import Sound, main

CASE = "http.origin-foreign"
TRANSPORT = "http"


class Faulty(Sound):
    def check_origin(self, origin: str | None) -> None:
        if origin == "null":
            super().check_origin(origin)


if __name__ == "__main__":
    main(Faulty)
