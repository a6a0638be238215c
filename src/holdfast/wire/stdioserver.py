"""A live server on standard input and output, with its health endpoints beside it when they are asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

from holdfast.wire.claim import Claim, claim
from holdfast.wire.conversation import Conversation
from holdfast.wire.ending import Backstop, Ending
from holdfast.wire.messages import message_bounds
from holdfast.wire.pipes import Intake, Outlet, open_pipes
from holdfast.wire.reloading import Reloading
from holdfast.wire.serve import Servable, Signals
from holdfast.wire.status import told
from holdfast.wire.stdio import FLUSH, Lines

if TYPE_CHECKING:
    from holdfast.core.config import Settings
    from holdfast.core.layers import Loaded


AFTER = 0.5
"""Seconds that everything else gets once calls had their time: with the default drain all is over before 4 s, when
clients send SIGKILL (SDK 2.3: 2 s after closing our input SIGTERM, and 2 s later that)."""
INSISTING = 0.8
"""Seconds that calls still get when a signal comes after the client closed our input: SIGKILL is 2 s away."""
LAST = 0.25
"""Seconds in which calls that were cut short write their answers."""
NOTICE = 0.1
"""Seconds in which lines that have come already are still read, and answered with a refusal."""
UNANSWERED = -32603
"""What a request gets that is still under way at the very end (JSON-RPC 2.0, section 5.1: internal error)."""
CUT = "the server is shutting down and did not finish this; whether it had an effect is unknown [server.draining]"


async def serve(
    server: Servable, loaded: Loaded, claimed: Claim | None = None, backstop: Backstop | None = None
) -> int:
    """Serve one client; returns the exit status. The descriptors are diverted from here on, unless they already are."""
    taken = claimed or claim()
    async with AsyncExitStack() as stack:
        stack.callback(taken.release)
        signals = stack.enter_context(Signals(backstop=backstop))
        live = await stack.enter_async_context(server.serving(loaded))
        await health_beside(live, loaded, stack)
        limits = loaded.settings.limits
        bounds = message_bounds(limits)
        intake, outlet = await open_pipes(taken.input, taken.output, limits.message)
        stack.callback(intake.close)
        drain = live.plant.loaded.settings.stdio.drain
        lines = Lines(intake, outlet, None, bounds)
        lines.most, lines.drain = limits.in_flight, drain + LAST
        ending = Ending(live, drain, AFTER, backstop)
        stack.callback(watching(intake, ending.begin).cancel)

        def stop() -> None:
            left = intake.ended.is_set()
            live.drain()
            ending.hurry(INSISTING if left else drain)
            asyncio.get_running_loop().call_later(NOTICE, intake.stop)

        reloading = Reloading(live)
        stack.callback(reloading.close)
        signals.listen(stop, reloading)
        live.plant.log.info("serving", transport="stdio", server=server.name)
        await _speak(live, loaded.settings, intake, outlet, lines)
        live.drain()
        lines.fail(UNANSWERED, CUT, ())
        ending.spoken()
        await outlet.close(FLUSH)
    return 0


def watching(intake: Intake, begin: Callable[[], None]) -> asyncio.Task[None]:
    """The countdown begins when the client closes its end; what it sent before is still read."""

    async def watch() -> None:
        await intake.ended.wait()
        begin()

    return asyncio.create_task(watch(), name="holdfast-ending")


async def _speak(live: Any, settings: Settings, intake: Intake, outlet: Outlet, lines: Lines) -> None:
    """Serve the connection to its end; the SDK is loaded when it is needed, or at once without the fast path."""
    if settings.fast_path:
        live.publisher = conversation = Conversation(live, intake, outlet, lines, sdk_of(live, settings))
        await conversation.serve()
        return
    from holdfast.wire.sdkcodec import SdkCodec

    lines.codec = SdkCodec()
    sdk = sdk_of(live, settings)()
    live.publisher = sdk.publisher
    await sdk.serve_streams(lines, lines)


def sdk_of(live: Any, settings: Settings) -> Callable[[], Any]:
    """Makes the SDK's server when it is needed."""

    def server() -> Any:
        from holdfast.wire.sdk import SdkServer, keys_of

        return SdkServer(live, keys=keys_of(settings))

    return server


async def health_beside(live: object, loaded: Loaded, stack: AsyncExitStack) -> None:
    """Let ``holdfast status`` find this server, and open the health endpoints when a port is set for them."""
    await stack.enter_async_context(told(live, "stdio"))
    health = loaded.settings.health
    if health.port is not None:
        from holdfast.wire.beside import open_beside

        await stack.enter_async_context(open_beside(live, health.host, health.port))
