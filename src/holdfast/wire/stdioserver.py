"""A live server on standard input and output, with its health endpoints beside it when they are asked for."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

from holdfast.wire.claim import Claim, claim
from holdfast.wire.conversation import Conversation
from holdfast.wire.messages import message_bounds
from holdfast.wire.pipes import Intake, Outlet, open_pipes
from holdfast.wire.serve import Servable, Signals
from holdfast.wire.stdio import FLUSH, Lines

if TYPE_CHECKING:
    from holdfast.core.config import Settings
    from holdfast.core.layers import Loaded


async def serve(server: Servable, loaded: Loaded, claimed: Claim | None = None) -> int:
    """Serve one client; returns the exit status. The descriptors are diverted from here on, unless they already are."""
    taken = claimed or claim()
    async with AsyncExitStack() as stack:
        stack.callback(taken.release)
        signals = stack.enter_context(Signals())
        live = await stack.enter_async_context(server.serving(loaded))
        await health_beside(live, loaded, stack)
        limits = loaded.settings.limits
        bounds = message_bounds(limits)
        intake, outlet = await open_pipes(taken.input, taken.output, limits.message)
        stack.callback(intake.close)
        lines = Lines(intake, outlet, None, bounds)
        lines.most = limits.in_flight

        def stop() -> None:
            live.drain()
            intake.stop()

        signals.listen(stop)
        live.plant.log.info("serving", transport="stdio", server=server.name)
        await _speak(live, loaded.settings, intake, outlet, lines)
        live.drain()
        await outlet.close(FLUSH)
    return signals.status


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
    """Open the health endpoints when a port is set for them."""
    health = loaded.settings.health
    if health.port is not None:
        from holdfast.wire.beside import open_beside

        await stack.enter_async_context(open_beside(live, health.host, health.port))
