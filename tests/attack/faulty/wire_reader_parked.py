"""Waits for ever for somebody to take its answers, although its input has ended."""

from sound import Sound, main

CASE = "wire.reader-parked"
TRANSPORT = "stdio"
SLOW = True


class Faulty(Sound):
    HELD_UP = 1e9


if __name__ == "__main__":
    main(Faulty)
