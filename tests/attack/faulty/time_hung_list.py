"""Has a list that never ends."""

from collections.abc import Callable
from typing import Any

from sound import Peer, Sound, main

CASE = "time.hung-list"
TRANSPORT = "stdio"


class Faulty(Sound):
    def methods(self, peer: Peer) -> dict[str, Callable[[Peer, dict[str, Any]], dict[str, Any]]]:
        return {**super().methods(peer), "prompts/list": lambda *_: {"prompts": [], "nextCursor": "more"}}


if __name__ == "__main__":
    main(Faulty)
