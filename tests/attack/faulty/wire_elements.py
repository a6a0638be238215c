"""Builds as many elements as fit a message, each of which takes many times its length."""

from sound import Sound, main

CASE = "wire.elements"
TRANSPORT = "stdio"
SLOW = True


class Faulty(Sound):
    LINE = 8 * 1_048_576
    ELEMENTS = 100_000_000


class Mended(Sound):
    LINE = 8 * 1_048_576


if __name__ == "__main__":
    main(Faulty, Mended)
