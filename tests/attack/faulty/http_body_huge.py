"""Has no longest body."""

from sound import Sound, main

CASE = "http.body-huge"
TRANSPORT = "http"
SLOW = True


class Faulty(Sound):
    LINE = 1 << 30


if __name__ == "__main__":
    main(Faulty)
