"""Takes a request without a method for a response, and drops it."""

from typing import Any

from sound import Sound, main

CASE = "wire.no-method"
TRANSPORT = "stdio"


class Faulty(Sound):
    def enveloped(self, message: Any) -> dict[str, Any]:
        if isinstance(message, dict) and message.get("jsonrpc") == "2.0" and "method" not in message:
            return message
        return super().enveloped(message)


if __name__ == "__main__":
    main(Faulty)
