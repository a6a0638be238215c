"""Takes METHOD for method (CVE-2026-27896)."""

from typing import Any

from sound import Sound, main

CASE = "wire.key-case"
TRANSPORT = "stdio"


class Faulty(Sound):
    def pairs(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        plain = ("jsonrpc", "id", "method", "params")
        return super().pairs([(key.lower() if key.lower() in plain else key, value) for key, value in pairs])


if __name__ == "__main__":
    main(Faulty)
