"""Fails when there is no Accept."""

from sound import HttpRefused, Sound, main

CASE = "http.accept"
TRANSPORT = "http"


class Faulty(Sound):
    def check_accept(self, accept: str | None) -> None:
        if not accept:
            raise HttpRefused(500, "internal error")
        super().check_accept(accept)


if __name__ == "__main__":
    main(Faulty)
