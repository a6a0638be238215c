"""Dies of params that are a list."""

from typing import Any

from sound import Sound, main

CASE = "wire.params-list"
TRANSPORT = "stdio"


class Faulty(Sound):
    def shaped(self, message: dict[str, Any]) -> None:
        if not isinstance(message.get("params"), list):
            super().shaped(message)


if __name__ == "__main__":
    main(Faulty)
