"""How fast clean text passes the egress filter: MiB/s for prose, source code and text beyond ASCII.

Run ``python benchmarks/redaction.py``; the bar is 20 MiB/s on clean text.
"""

from __future__ import annotations

import sysconfig
import time
from pathlib import Path

from holdfast.safe.outgoing import Outgoing
from holdfast.safe.secrets import SecretRegistry

MIB = 1 << 20
ROUNDS = 5
VALUES = 20
"""Secrets that are registered meanwhile, as many as a server with a few tokens and keys has."""
TEXTS = {
    "prose": "The quick brown fox jumps over the lazy dog, and nobody minds; see chapter 4 for the reasons.\n",
    "persian": "می\u200cخواهم کتاب\u200cها را بخوانم؛ سال ۱۴۰۳ در تهران بود و هوا خوب بود.\n",  # noqa: RUF001 - real text
    "chinese": "今天天气很好，我们去公园散步，然后回家看书。\n",  # noqa: RUF001 - real text
    "emoji": "well done \U0001f468\u200d\U0001f469\u200d\U0001f467 and \U0001f44d\U0001f3fd \U0001f1e9\U0001f1ea\n",
}


def source() -> str:
    """Two MiB of the standard library's own source."""
    pieces: list[str] = []
    for path in sorted(Path(sysconfig.get_path("stdlib")).glob("*.py")):
        pieces.append(path.read_text("utf-8", errors="replace"))
        if sum(map(len, pieces)) > 2 * MIB:
            break
    return "".join(pieces)


def filters() -> dict[str, Outgoing]:
    """The filter without values of its own, and with some."""
    registry = SecretRegistry()
    for number in range(VALUES):
        registry.add(f"{number:04}-correct-horse-battery-staple", f"own-{number}")
    return {"rules alone": Outgoing(SecretRegistry()), f"{VALUES} values": Outgoing(registry)}


def speed(outgoing: Outgoing, text: str) -> float:
    """MiB of UTF-8 in a second of processor time, the best of a few rounds."""
    size, best = len(text.encode()) / MIB, 0.0
    outgoing.text(text)
    for _ in range(ROUNDS):
        began = time.process_time()
        outgoing.text(text)
        best = max(best, size / (time.process_time() - began))
    return best


def main() -> None:
    """Print one line for each text."""
    texts = {"source code": source()} | {name: text * (2 * MIB // len(text.encode())) for name, text in TEXTS.items()}
    ways = filters()
    print(f"{'MiB/s':<14}" + "".join(f"{name:>14}" for name in ways))
    for name, text in texts.items():
        print(f"{name:<14}" + "".join(f"{speed(outgoing, text):>14.0f}" for outgoing in ways.values()))


if __name__ == "__main__":
    main()
