"""Does what the first message of a batch asks for."""

from typing import Any

from sound import Sound, main

CASE = "http.batch"
TRANSPORT = "http"


class Faulty(Sound):
    def batch(self, messages: list[Any]) -> dict[str, Any]:
        return self.enveloped(messages[0]) if messages else super().batch(messages)


if __name__ == "__main__":
    main(Faulty)
