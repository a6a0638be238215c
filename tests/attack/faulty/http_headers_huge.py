"""Has no longest header."""

from sound import Http, Incoming, Sound, main

CASE = "http.headers-huge"
TRANSPORT = "http"


class Roomy(Incoming):
    HEAD = 1 << 30


class RoomyHttp(Http):
    incoming = Roomy


class Faulty(Sound):
    over_http = RoomyHttp


if __name__ == "__main__":
    main(Faulty)
