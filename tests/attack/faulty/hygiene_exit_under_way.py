"""Waits for every call under way when its input ends, however long it takes."""

from sound import Sound, main

CASE = "hygiene.exit-under-way"
TRANSPORT = "stdio"
SLOW = True


class Faulty(Sound):
    LAST_ANSWERS = 3_600.0


if __name__ == "__main__":
    main(Faulty)
