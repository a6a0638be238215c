"""Takes half of a character for text, and cannot encode what it makes of it."""

from typing import Any

from sound import Sound, main

CASE = "http.surrogate-argument"
TRANSPORT = "http"


class Faulty(Sound):
    def whole(self, message: dict[str, Any]) -> None:
        """Let it pass."""

    def uncontrolled(self, text: str) -> str:
        return super().uncontrolled(text) + "".join(one for one in text if "\ud800" <= one <= "\udfff")


if __name__ == "__main__":
    main(Faulty)
