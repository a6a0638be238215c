"""Takes a message with any method."""

from sound import Head, Sound, main

CASE = "http.methods"
TRANSPORT = "http"


class Faulty(Sound):
    def check_method(self, head: Head) -> None:
        """All are one."""


if __name__ == "__main__":
    main(Faulty)
