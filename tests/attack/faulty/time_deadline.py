"""Lets a call take as long as it likes."""

from sound import Sound, main

CASE = "time.deadline"
TRANSPORT = "stdio"
SLOW = True


class Faulty(Sound):
    DEADLINE = 86_400.0


if __name__ == "__main__":
    main(Faulty)
