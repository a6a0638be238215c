"""Answers a request that names no host."""

from sound import Sound, main

CASE = "http.host-missing"
TRANSPORT = "http"


class Faulty(Sound):
    def check_host(self, host: str | None) -> None:
        if host is not None:
            super().check_host(host)


if __name__ == "__main__":
    main(Faulty)
