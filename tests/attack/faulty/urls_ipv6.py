"""Forgets that ::1 is an address of this machine."""

from sound import Sound, Target, main

CASE = "urls.ipv6"
TRANSPORT = "stdio"


class Faulty(Sound):
    def page(self, target: Target) -> str:
        return self.got(target, target.host) if target.host == "::1" else super().page(target)


if __name__ == "__main__":
    main(Faulty)
