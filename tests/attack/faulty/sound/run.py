"""The command line of every server here: ``[--mended] stdio`` or ``[--mended] http PORT``."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sound.server import Sound


def main(faulty: type[Sound], mended: type[Sound] | None = None) -> None:
    """Serve; with ``--mended`` the twin without the fault, by default the class that the faulty one derives from."""
    words = sys.argv[1:]
    kind = (mended or faulty.__bases__[0]) if words[:1] == ["--mended"] else faulty
    asyncio.run(serve(kind, [word for word in words if word != "--mended"]))


async def serve(kind: type[Sound], words: Sequence[str]) -> None:
    """Until the client, or a signal, ends it."""
    server = kind()
    loop = asyncio.get_running_loop()
    for number in server.SIGNALS:
        loop.add_signal_handler(number, server.stopping.set)
    await server.start()
    serving = server.over_http(server).serve(int(words[1])) if words[0] == "http" else server.over_pipes(server).serve()
    await serving
    await server.finish()
    sys.stderr.flush()
    os._exit(0)  # a thread that is still at work would hold up the end
