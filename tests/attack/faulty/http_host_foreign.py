"""Answers under any name, so that a page that rebinds its own name reaches it."""

import re

from sound import Sound, main

CASE = "http.host-foreign"
TRANSPORT = "http"


class Faulty(Sound):
    def check_host(self, host: str | None) -> None:
        if host is None or not re.fullmatch(r"[a-z0-9.:\[\]-]+", host):
            super().check_host(host)


if __name__ == "__main__":
    main(Faulty)
