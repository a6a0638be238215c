"""What each guard does, as a caller sees it over a real pipe: one probe a guard, which fails when the guard is gone."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

from support.peers import StdioPeer, code_of, text_of

GRANTS = {
    "scope:other:read": [
        {"tools": ["add", "change", "hidden", "scoped", "expensive", "rated", "slow", "failing_over", "booked"]},
        {"tools": ["counted", "flaky", "single", "broken", "slow_once"]},
        {"tools": "narrow", "where": {"part": "docs/**"}},
    ],
}
SETTINGS = {
    "HOLDFAST_LIMITS__QUOTA": "1000/hour",
    "HOLDFAST_AUTH__LOCAL_SCOPES": '["other:read"]',
    "HOLDFAST_ACCESS__GRANTS": json.dumps(GRANTS),
}
"""A quota that only ``expensive`` can spend, and a local caller who may not use ``scoped``, is not granted
``withheld``, and may use ``narrow`` with certain arguments only."""
Probe = Callable[[StdioPeer, Path], None]


def observe(peer: StdioPeer, state: Path) -> None:
    """A call that changes something is in the audit log before its answer leaves."""
    assert text_of(peer.call("change")) == "changed"
    assert '"change"' in (state / "guarded" / "audit.jsonl").read_text()


def egress(peer: StdioPeer, state: Path) -> None:
    """Hidden text does not leave."""
    assert text_of(peer.call("hidden")) == "abc"


def authorize(peer: StdioPeer, state: Path) -> None:
    """Without the scope nothing happens, and without a grant there is nothing."""
    assert code_of(peer.call("scoped")) == "access.denied"
    assert peer.call("withheld")["error"]["message"] == peer.call("nowhere")["error"]["message"]


def quota(peer: StdioPeer, state: Path) -> None:
    """What is spent is spent."""
    assert text_of(peer.call("expensive")) == "bought"
    assert code_of(peer.call("expensive")) == "quota.exceeded"


def rate(peer: StdioPeer, state: Path) -> None:
    """The third call in a minute is refused, with the time to come back."""
    assert [code_of(peer.call("rated")) for _ in range(2)] == ["", ""]
    refused = peer.call("rated")
    assert code_of(refused) == "rate.limited"
    assert 0 < refused["_meta"]["io.holdfast/retryAfter"] <= 60


def validate(peer: StdioPeer, state: Path) -> None:
    """A text is no integer."""
    refused = peer.call("add", a="41", b=1)
    assert code_of(refused) == "arguments.invalid"
    assert "a takes an integer" in text_of(refused)


def constrain(peer: StdioPeer, state: Path) -> None:
    """What is granted for some arguments is granted for no others."""
    assert text_of(peer.call("narrow", part="docs/a")) == "docs/a"
    assert code_of(peer.call("narrow", part="docs/../a")) == "access.constraint"


def deadline(peer: StdioPeer, state: Path) -> None:
    """The answer comes on time, whatever the tool does."""
    begun = time.monotonic()
    assert code_of(peer.call("slow")) == "deadline.exceeded"
    assert time.monotonic() - begun < 2


def fallback(peer: StdioPeer, state: Path) -> None:
    """There is a lesser answer, and it says that it is one."""
    result = peer.call("failing_over")
    assert text_of(result) == "a lesser answer"
    assert result["_meta"]["io.holdfast/fallback"] is True


def idempotency(peer: StdioPeer, state: Path) -> None:
    """The same key is the same call."""
    call = {"name": "booked", "arguments": {}, "_meta": {"io.holdfast/idempotencyKey": "one"}}
    first, again = (peer.ask("tools/call", call)["result"] for _ in range(2))
    assert text_of(first) == text_of(again)
    assert again["_meta"]["io.holdfast/replayed"] is True


def cache(peer: StdioPeer, state: Path) -> None:
    """The same question is answered from memory."""
    assert text_of(peer.call("counted")) == text_of(peer.call("counted"))


def retry(peer: StdioPeer, state: Path) -> None:
    """What failed as the world fails is tried again."""
    assert text_of(peer.call("flaky")) == "the second time"


def hedge(peer: StdioPeer, state: Path) -> None:
    """Where the first attempt hangs, the second one answers."""
    result = peer.call("slow_once")
    assert text_of(result) == "attempt 2"
    assert result["_meta"]["io.holdfast/hedged"] is True


def bulkhead(peer: StdioPeer, state: Path) -> None:
    """Where one runs and none may wait, the second is refused."""
    first = peer.request("tools/call", {"name": "single", "arguments": {}})
    assert code_of(peer.call("single")) == "busy"
    assert text_of(peer.reply(first)["result"]) == "alone"


def breaker(peer: StdioPeer, state: Path) -> None:
    """What keeps failing is left alone."""
    codes = [code_of(peer.call("broken")) for _ in range(25)]
    assert codes[0] == "tool.failed"
    assert codes[-1] == "breaker.open"


def run(peer: StdioPeer, state: Path) -> None:
    """A tool runs."""
    assert text_of(peer.call("add", a=2, b=40)) == "42"


PROBES: dict[str, Probe] = {
    probe.__name__: probe
    for probe in (
        observe, egress, authorize, quota, rate, validate, constrain, deadline, fallback, idempotency, cache, retry,
        hedge, bulkhead, breaker, run,
    )
}  # fmt: skip
