"""Refuses who has no token without saying that one is missing."""

from sound import Head, HttpRefused, Sound, main

CASE = "http.auth-challenge"
TRANSPORT = "http"
TOKEN = True


class Faulty(Sound):
    def check_token(self, head: Head) -> None:
        try:
            super().check_token(head)
        except HttpRefused:
            raise HttpRefused(403, "forbidden") from None


if __name__ == "__main__":
    main(Faulty)
