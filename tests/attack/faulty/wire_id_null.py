"""Takes a request whose id is null for a notification, so that it is never answered."""

from typing import Any

from sound import Sound, main

CASE = "wire.id-null"
TRANSPORT = "stdio"


class Faulty(Sound):
    def identified(self, message: dict[str, Any]) -> None:
        if "method" in message and message.get("id", 0) is None:
            del message["id"]
        super().identified(message)


if __name__ == "__main__":
    main(Faulty)
