"""Builds as many elements as fit a body, each of which takes many times its length."""

from sound import Sound, main

CASE = "http.elements"
TRANSPORT = "http"
SLOW = True


class Mended(Sound):
    LINE = 8 * 1_048_576


class Faulty(Mended):
    ELEMENTS = 100_000_000


if __name__ == "__main__":
    main(Faulty, Mended)
