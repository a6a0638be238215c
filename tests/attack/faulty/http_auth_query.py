"""Takes a token from the address, too."""

from urllib.parse import parse_qs

from sound import Head, Sound, main

CASE = "http.auth-query"
TRANSPORT = "http"
TOKEN = True


class Faulty(Sound):
    def check_token(self, head: Head) -> None:
        given = parse_qs(head.target.partition("?")[2]).get("token")
        headers = {**head.headers, "authorization": f"Bearer {given[0]}"} if given else head.headers
        super().check_token(Head(head.method, head.target, head.minor, headers))


if __name__ == "__main__":
    main(Faulty)
