"""Takes a name with a dot behind it for another name (CVE-2026-115751)."""

from sound import Sound, Target, main

CASE = "urls.trailing-dot"
TRANSPORT = "stdio"


class Faulty(Sound):
    def target(self, url: str) -> Target:
        dotted = ("localhost.:", "127.0.0.1.:")
        target = super().target(url.replace(".:", ":") if any(host in url for host in dotted) else url)
        return target._replace(path=f"{target.path}#") if any(host in url for host in dotted) else target

    def page(self, target: Target) -> str:
        if target.path.endswith("#"):
            return self.got(target._replace(path=target.path[:-1]), self.resolved(target)[0])
        return super().page(target)


if __name__ == "__main__":
    main(Faulty)
