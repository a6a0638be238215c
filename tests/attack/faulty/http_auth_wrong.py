"""Compares as much of a token as was sent."""

from sound import Sound, main

CASE = "http.auth-wrong"
TRANSPORT = "http"
TOKEN = True


class Faulty(Sound):
    def same_token(self, given: bytes, token: bytes) -> bool:
        return token.startswith(given)


if __name__ == "__main__":
    main(Faulty)
