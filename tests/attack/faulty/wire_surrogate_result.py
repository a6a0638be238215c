"""Dies of a file name that is no UTF-8, since what os.listdir gives for it cannot be encoded."""

import os
from typing import Any

from sound import Sound, main

CASE = "wire.surrogate-result"
TRANSPORT = "stdio"


class Faulty(Sound):
    def uncontrolled(self, text: str) -> str:
        return super().uncontrolled(text) + "".join(one for one in text if "\ud800" <= one <= "\udfff")

    def rendered(self, message: dict[str, Any]) -> bytes:
        try:
            return super().rendered(message)
        except UnicodeEncodeError:
            os._exit(1)


if __name__ == "__main__":
    main(Faulty)
