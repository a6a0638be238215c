"""Takes an address of IPv4 within one of IPv6 for another address (CVE-2026-49857)."""

from sound import Sound, Target, main

CASE = "urls.mapped-ipv6"
TRANSPORT = "stdio"


class Faulty(Sound):
    def page(self, target: Target) -> str:
        return self.got(target, target.host) if target.host.startswith("::ffff:") else super().page(target)


if __name__ == "__main__":
    main(Faulty)
