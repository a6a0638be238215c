"""Takes a pattern for an expression, which can take for ever."""

import re
from typing import Any

from sound import Sound, main

CASE = "time.regex"
TRANSPORT = "stdio"


class Faulty(Sound):
    def matching(self, pattern: str, content: str, options: dict[str, Any]) -> list[str]:
        try:
            return [line for line in content.splitlines() if re.search(pattern, line)]
        except re.error:
            return []


if __name__ == "__main__":
    main(Faulty)
