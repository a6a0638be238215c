"""A server that is reached over HTTP: at a URL that is there already, or started here on a port that is free."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable
from typing import Any

from holdfast_attack.link.http import HttpSession
from holdfast_attack.link.messages import LEGACY, MODERN
from holdfast_attack.link.session import Gone
from holdfast_attack.model import Lane, Transport
from holdfast_attack.target.address import Address
from holdfast_attack.target.launch import MESSAGE, CannotStart, Running
from holdfast_attack.target.owner import owner_of
from holdfast_attack.target.targets import Ground, Program, Spoken, spoken
from holdfast_attack.target.tree import Tree

POLL = 0.05


class HttpTarget:
    """``program`` None: the server is there already and is only connected to."""

    def __init__(self, address: Address, token: str | None, program: Program | None) -> None:
        self._address, self._token, self._program = address, token, program
        self.started = program is not None

    async def meet(self, ground: Ground) -> Spoken:
        """See ``Target``."""
        if self._program is None:
            return await self._met(self._address, ground)
        server = await self._serve(ground)
        try:
            return await self._met(server.address, ground)
        finally:
            await server.end()

    async def _met(self, address: Address, ground: Ground) -> Spoken:
        said: list[dict[str, Any]] = []
        silent = True
        for version in (LEGACY[0], MODERN):
            try:
                session = await self._connected(Lane(Transport.HTTP, version), address, ground, None)
            except CannotStart as error:
                silent = silent and "nothing listens" in str(error)
                said.append({})
                continue
            said.append(session.greeting)
            await session.close()
        if not any(said):
            where = "nothing listens" if silent else "no MCP server answers"
            raise CannotStart(f"{where} at {address} (is the path right? does it want --token?)")
        return spoken(Transport.HTTP, *said)

    async def open(self, lane: Lane, ground: Ground, *, greeted: bool = True) -> HttpSession:
        """See ``Target``."""
        open_ = self._connected if greeted else self._ungreeted
        if self._program is None:
            owner = owner_of(self._address.port)
            return await open_(lane, self._address, ground, None if owner is None else Tree(owner))
        server = await self._serve(ground)
        try:
            session = await open_(lane, server.address, ground, server.running.tree)
        except BaseException:  # whatever it is, nobody else would end it
            await server.end()
            raise
        session.server = server
        return session

    async def _connected(self, lane: Lane, address: Address, ground: Ground, tree: Tree | None) -> HttpSession:
        try:
            return await HttpSession.connect(address, lane, self._token, tree=tree, ear=ground.ear)
        except (Gone, OSError, TimeoutError) as error:
            nobody = isinstance(error, ConnectionRefusedError) or "refused" in str(error)
            raise CannotStart(
                f"nothing listens at {address}" if nobody else f"no MCP server answers at {address}"
            ) from None

    async def _ungreeted(self, lane: Lane, address: Address, ground: Ground, tree: Tree | None) -> HttpSession:
        return HttpSession(address, lane, self._token, tree, ground.ear)

    async def _serve(self, ground: Ground) -> Served:
        if self._program is None:
            raise CannotStart("there is no command to start it with")
        port = self._address.port or _free(self._address.host)
        launch = self._program.launch(ground.arena, port)
        running = await launch.start()
        self._program.premises.started(running.pid)
        served = Served(running, self._address.at(port), ground.ear)
        await served.listening(self._program.patience)
        return served


class Served:
    """A server that was started to listen on a port; what it prints is heard and not kept."""

    def __init__(self, running: Running, address: Address, ear: Callable[[str, bytes], None]) -> None:
        from holdfast_attack.link.pipe import Reader, Writer

        self.running, self.address = running, address
        self.said = b""
        self._ear = ear
        self._writer = Writer(running.stdin)
        self._readers = [Reader(fd, self._hear, lambda: None) for fd in (running.stdout, running.stderr)]

    async def listening(self, within: float) -> None:
        """Returns when its port takes connections. Raises ``CannotStart`` when it ends or never listens."""
        end = time.monotonic() + within
        while time.monotonic() < end:
            if await self.running.exited(POLL) is not None:
                status = await self.running.exited(0.1)
                words = self.said.decode("utf-8", "replace").strip().splitlines()
                await self.end()
                raise CannotStart(f"it ended with status {status}" + (f": {words[-1][:MESSAGE]}" if words else ""))
            if await _answers(self.address):
                return
        await self.end()
        raise CannotStart(f"it does not listen at {self.address} after {within:g} s")

    def signal(self, number: int) -> None:
        """Send a signal to the process itself."""
        self.running.signal(number)

    async def exited(self, within: float) -> int | None:
        """Its exit status; None when it is still there."""
        return await self.running.exited(within)

    async def end(self) -> None:
        """Kill it and all that it has started."""
        self._writer.close()
        await self.running.end()
        for reader in self._readers:
            reader.close()

    def _hear(self, data: bytes) -> None:
        self.said = (self.said + data)[-65_536:]
        self._ear("stderr", data)


async def _answers(address: Address) -> bool:
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection(address.host, address.port), 1.0)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


def _free(host: str) -> int:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])
