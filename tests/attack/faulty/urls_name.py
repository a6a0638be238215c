"""Knows localhost, but not the other names of this machine."""

import re

from sound import Sound, Target, main

CASE = "urls.name"
TRANSPORT = "stdio"


class Faulty(Sound):
    def page(self, target: Target) -> str:
        if re.search("[g-z]", target.host) and "localhost" not in target.host.split("."):
            return self.got(target, self.resolved(target)[0])
        return super().page(target)


if __name__ == "__main__":
    main(Faulty)
