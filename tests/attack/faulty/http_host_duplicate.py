"""Reads the last of two Host lines, whoever stands in front may read the first."""

from sound import Http, Incoming, Sound, main

CASE = "http.host-duplicate"
TRANSPORT = "http"


class Last(Incoming):
    def repeated(self, name: str, first: str, second: str) -> str:
        return second if name == "host" else super().repeated(name, first, second)


class LastHttp(Http):
    incoming = Last


class Faulty(Sound):
    over_http = LastHttp


if __name__ == "__main__":
    main(Faulty)
