"""Takes anything with a method for JSON-RPC 2.0."""

from typing import Any

from sound import Sound, main

CASE = "wire.no-jsonrpc"
TRANSPORT = "stdio"


class Faulty(Sound):
    def enveloped(self, message: Any) -> dict[str, Any]:
        if isinstance(message, dict) and "method" in message:
            message["jsonrpc"] = "2.0"
        return super().enveloped(message)


if __name__ == "__main__":
    main(Faulty)
