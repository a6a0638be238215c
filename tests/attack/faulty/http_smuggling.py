"""Goes by the length of a request that also says that it comes in chunks."""

from sound import Head, Http, Incoming, Sound, main

CASE = "http.smuggling"
TRANSPORT = "http"


class Lax(Incoming):
    def framing(self, head: Head) -> int | None:
        headers = dict(head.headers)
        if "content-length" in headers:
            headers.pop("transfer-encoding", None)
        return super().framing(Head(head.method, head.target, head.minor, headers))


class LaxHttp(Http):
    incoming = Lax


class Faulty(Sound):
    over_http = LaxHttp


if __name__ == "__main__":
    main(Faulty)
