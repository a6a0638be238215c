"""Takes a body that breaks off for the whole."""

from sound import Http, Incoming, Sound, main
from sound.requests import Gone

CASE = "http.body-short"
TRANSPORT = "http"


class Eager(Incoming):
    async def exactly(self, size: int) -> bytes:
        try:
            return await super().exactly(size)
        except Gone:
            return self.take(size)


class EagerHttp(Http):
    incoming = Eager


class Faulty(Sound):
    over_http = EagerHttp


if __name__ == "__main__":
    main(Faulty)
