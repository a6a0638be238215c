"""Goes on with a session that its client has ended."""

from sound import Head, Sound, main

CASE = "http.session-deleted"
TRANSPORT = "http"


class Faulty(Sound):
    def deleted(self, head: Head) -> None:
        self.session(head.headers.get("mcp-session-id"))


if __name__ == "__main__":
    main(Faulty)
