"""Answers in another form than its output schema says."""

from typing import Any

from sound import Sound, main

CASE = "schema.output"
TRANSPORT = "stdio"


class Faulty(Sound):
    async def whoami(self) -> dict[str, Any]:
        return {"name": "sound", "version": [1, 0]}


if __name__ == "__main__":
    main(Faulty)
