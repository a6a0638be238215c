"""Says what it could not read by repeating it."""

from typing import Any

from sound import Refused, Sound, main

CASE = "http.reflected"
TRANSPORT = "http"


class Faulty(Sound):
    def parse(self, raw: bytes) -> dict[str, Any]:
        try:
            return super().parse(raw)
        except Refused as refused:
            raise Refused(refused.code, f"{refused.message}: {raw.decode('utf-8', 'replace')}", refused.id) from None


if __name__ == "__main__":
    main(Faulty)
