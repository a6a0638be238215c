"""A client and a server in one process, for tests: everything but the bytes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from holdfast.wire.serve import Servable


@asynccontextmanager
async def connect(server: Servable, mode: str, options: Mapping[str, Any]) -> AsyncIterator[Any]:
    """The SDK's ``Client`` of ``server``; ``mode`` is ``legacy``, ``auto`` or a protocol version."""
    from mcp.client import Client

    from holdfast.wire.sdk import SdkServer

    async with server.serving() as live:
        sdk = SdkServer(live)
        live.publisher = sdk.publisher
        async with Client(sdk.lowlevel, mode=mode, **options) as client:
            yield client
        sdk.close()
