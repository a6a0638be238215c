"""Takes any version of the protocol."""

from sound import Sound, main

CASE = "http.version-header"
TRANSPORT = "http"


class Faulty(Sound):
    def check_version(self, version: str | None) -> None:
        """All are one."""


if __name__ == "__main__":
    main(Faulty)
