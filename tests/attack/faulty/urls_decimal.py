"""Knows addresses only as four numbers with dots, and the system knows them as one number too."""

from sound import Sound, Target, main

CASE = "urls.decimal"
TRANSPORT = "stdio"


class Faulty(Sound):
    def page(self, target: Target) -> str:
        return self.got(target, target.host) if target.host.isdigit() and int(target.host) else super().page(target)


if __name__ == "__main__":
    main(Faulty)
