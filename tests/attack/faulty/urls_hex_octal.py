"""Knows the numbers of an address only as decimal ones."""

from sound import Sound, Target, main

CASE = "urls.hex-octal"
TRANSPORT = "stdio"


class Faulty(Sound):
    def page(self, target: Target) -> str:
        first = target.host.split(".")[0]
        odd = len(first) > 1 and first.startswith("0")
        return self.got(target, self.resolved(target)[0]) if odd else super().page(target)


if __name__ == "__main__":
    main(Faulty)
