"""Forgets that this machine answers at 0.0.0.0."""

from sound import Sound, Target, main

CASE = "urls.zero"
TRANSPORT = "stdio"


class Faulty(Sound):
    def page(self, target: Target) -> str:
        if target.host in ("0.0.0.0", "0", "::"):
            return self.got(target, self.resolved(target)[0])
        return super().page(target)


if __name__ == "__main__":
    main(Faulty)
