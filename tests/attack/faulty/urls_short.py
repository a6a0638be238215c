"""Knows an address only by all of its four numbers."""

from sound import Sound, Target, main

CASE = "urls.short"
TRANSPORT = "stdio"


class Faulty(Sound):
    def page(self, target: Target) -> str:
        short = target.host.count(".") in (1, 2) and target.host.replace(".", "").isdigit()
        return self.got(target, self.resolved(target)[0]) if short else super().page(target)


if __name__ == "__main__":
    main(Faulty)
