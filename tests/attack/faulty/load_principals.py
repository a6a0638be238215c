"""Remembers every session that was ended."""

from sound import Head, Sound, main

CASE = "load.principals"
TRANSPORT = "http"
SLOW = True


class Faulty(Sound):
    def __init__(self) -> None:
        super().__init__()
        self.ended: dict[str, bytes] = {}

    def deleted(self, head: Head) -> None:
        self.ended[head.headers.get("mcp-session-id", "")] = b"\1" * 65_536
        super().deleted(head)


if __name__ == "__main__":
    main(Faulty)
