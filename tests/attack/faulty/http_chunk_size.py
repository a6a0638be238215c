"""Reads the size of a chunk with int(), which takes signs, prefixes and underscores."""

from sound import Http, HttpRefused, Incoming, Sound, main

CASE = "http.chunk-size"
TRANSPORT = "http"


class Lax(Incoming):
    def chunk_size(self, line: bytes) -> int:
        try:
            return max(0, int(line.split(b";")[0], 16))
        except ValueError:
            raise HttpRefused(400, "this is no chunk") from None


class LaxHttp(Http):
    incoming = Lax


class Faulty(Sound):
    over_http = LaxHttp


if __name__ == "__main__":
    main(Faulty)
