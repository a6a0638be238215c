"""Takes a message of any type, such as a web page may send unasked."""

from sound import Sound, main

CASE = "http.content-type"
TRANSPORT = "http"


class Faulty(Sound):
    def check_type(self, kind: str) -> None:
        """All are one."""


if __name__ == "__main__":
    main(Faulty)
