"""A live server on standard input and output, with its health endpoints beside it when they are asked for."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from holdfast.wire.claim import Claim, claim
from holdfast.wire.messages import message_bounds
from holdfast.wire.pipes import open_pipes
from holdfast.wire.serve import Servable, Signals
from holdfast.wire.stdio import FLUSH, Lines

if TYPE_CHECKING:
    from holdfast.core.layers import Loaded


async def serve(server: Servable, loaded: Loaded, claimed: Claim | None = None) -> int:
    """Serve one client; returns the exit status. The descriptors are diverted from here on, unless they already are."""
    from holdfast.wire.sdk import SdkCodec, SdkServer, keys_of

    taken = claimed or claim()
    async with AsyncExitStack() as stack:
        stack.callback(taken.release)
        signals = stack.enter_context(Signals())
        live = await stack.enter_async_context(server.serving(loaded))
        sdk = SdkServer(live, keys=keys_of(loaded.settings))
        live.publisher = sdk.publisher
        await _health_beside(live, loaded, stack)
        limits = loaded.settings.limits
        bounds = message_bounds(limits)
        intake, outlet = await open_pipes(taken.input, taken.output, limits.message)
        stack.callback(intake.close)
        lines = Lines(intake, outlet, SdkCodec(), bounds)

        def stop() -> None:
            live.drain()
            intake.stop()

        signals.listen(stop)
        live.plant.log.info("serving", transport="stdio", server=server.name)
        await sdk.serve_streams(lines, lines)
        live.drain()
        await outlet.close(FLUSH)
    return signals.status


async def _health_beside(live: object, loaded: Loaded, stack: AsyncExitStack) -> None:
    health = loaded.settings.health
    if health.port is not None:
        from holdfast.wire.beside import open_beside

        await stack.enter_async_context(open_beside(live, health.host, health.port))
