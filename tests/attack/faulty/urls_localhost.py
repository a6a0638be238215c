"""Judges addresses, and takes any name for one of the internet."""

from sound import Sound, Target, main

CASE = "urls.localhost"
TRANSPORT = "stdio"


class Faulty(Sound):
    def page(self, target: Target) -> str:
        if target.host in ("localhost", "localhost.localdomain"):
            return self.got(target, self.resolved(target)[0])
        return super().page(target)


if __name__ == "__main__":
    main(Faulty)
