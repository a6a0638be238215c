"""Asks who has a session for no token."""

from sound import Head, Sound, main

CASE = "http.session-alone"
TRANSPORT = "http"
TOKEN = True


class Faulty(Sound):
    def check_token(self, head: Head) -> None:
        if head.headers.get("mcp-session-id") not in self.sessions:
            super().check_token(head)


if __name__ == "__main__":
    main(Faulty)
