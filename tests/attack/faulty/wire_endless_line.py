"""Has no longest line: one that does not end is kept for as long as it comes."""

from sound import Sound, main

CASE = "wire.endless-line"
TRANSPORT = "stdio"
SLOW = True


class Faulty(Sound):
    def too_long(self, size: int, *, ended: bool) -> bool:
        return False


if __name__ == "__main__":
    main(Faulty)
