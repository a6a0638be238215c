"""Lets a call take longer than its operator said."""

from sound import Sound, main

CASE = "time.deadline-kept"
TRANSPORT = "stdio"
SLOW = True
CALL_DEADLINE = 3


class Mended(Sound):
    DEADLINE = 2.0


class Faulty(Mended):
    DEADLINE = 30.0


if __name__ == "__main__":
    main(Faulty, Mended)
