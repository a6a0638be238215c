"""Unpacks a page however large it becomes; and it reaches 127.0.0.1."""

import gzip
from urllib.request import urlopen

from sound import Sound, Target, main

CASE = "urls.bomb"
TRANSPORT = "stdio"
SLOW = True
TWIN = False


class Faulty(Sound):
    def page(self, target: Target) -> str:
        if target.host != "127.0.0.1":
            return super().page(target)
        with urlopen(f"http://127.0.0.1:{target.port}{target.path}", timeout=self.PATIENCE) as answer:
            data = answer.read(8 * self.PAGE)
        return gzip.decompress(data).decode() if data.startswith(b"\x1f\x8b") else data.decode("utf-8", "replace")


if __name__ == "__main__":
    main(Faulty)
