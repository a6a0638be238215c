"""Takes an id of any length, and keeps it."""

from sound import Sound, main

CASE = "wire.id-unbounded"
TRANSPORT = "stdio"


class Mended(Sound):
    LINE = 2_000_000


class Faulty(Mended):
    ID = 2_000_000


if __name__ == "__main__":
    main(Faulty, Mended)
