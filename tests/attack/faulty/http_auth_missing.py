"""Looks at a token only where there is one."""

from sound import Head, Sound, main

CASE = "http.auth-missing"
TRANSPORT = "http"
TOKEN = True


class Faulty(Sound):
    def check_token(self, head: Head) -> None:
        if "authorization" in head.headers:
            super().check_token(head)


if __name__ == "__main__":
    main(Faulty)
