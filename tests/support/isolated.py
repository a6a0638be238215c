"""Work for processes of its own: importable by name, as such work must be."""

from __future__ import annotations

import os
import time
from pathlib import Path

from holdfast.core.context import Context


def whereabouts(add: int) -> str:
    """Which process runs this."""
    return f"{os.getpid()} {add + 1}"


def spin(seconds: float) -> str:
    """Work too long."""
    time.sleep(seconds)
    return "late"


def crash() -> str:
    """End the process at once."""
    os._exit(3)


def fail() -> str:
    """Fail as ordinary code does."""
    raise ConnectionResetError("the world failed")


def chatty(ctx: Context, steps: int) -> str:
    """Tell the client and the log how far it is."""
    log = ctx.log.bind(key="value")
    for step in range(1, steps + 1):
        ctx.wait(ctx.report_progress(step, steps, f"step {step}"))
        if step == 2:
            log.warning("working", step=step)
            ctx.wait(ctx.notify_log("info", {"halfway": True}))
    return f"{ctx.principal.name} {0 < ctx.remaining <= 30} {ctx.cancelled}"


def tidies(ctx: Context, note: str) -> str:
    """Work too long, and leave word when that is over."""
    try:
        time.sleep(30)
    finally:
        Path(note).write_text(str(ctx.cancelled))
    return "late"


def hoard(mib: int) -> str:
    """Take memory and give it back."""
    return str(len(bytearray(mib << 20)) >> 20)


def spend(ledger: str, how: str) -> str:
    """Write a line, once; then crash, or wait for a word."""
    with open(ledger, "a") as file:
        file.write(how + "\n")
    if how == "crash":
        os._exit(3)
    while how == "wait" and not Path(ledger + ".go").exists():
        time.sleep(0.005)
    return "paid"
