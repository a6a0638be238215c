"""SIGHUP: settings are read again and taken as far as a running server can, without touching its connections."""

from __future__ import annotations

import asyncio
from typing import Any

from holdfast.errors import HoldfastError


class Reloading:
    """Reads settings again when called; owns the task that does. Calls during a reading make for one more."""

    def __init__(self, live: Any) -> None:
        self._live = live
        self._task: asyncio.Task[None] | None = None
        self._again = False

    def __call__(self) -> None:
        self._again = True
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._read(), name="holdfast-reload")

    def close(self) -> None:
        """Read nothing more."""
        if self._task is not None:
            self._task.cancel()

    async def _read(self) -> None:
        plant = self._live.plant
        while self._again:
            self._again = False
            if plant.loaded.again is None:
                plant.log.error("reload.refused", reason="nobody knows where these settings came from")
                return
            try:
                found = self._live.reload(await asyncio.to_thread(plant.loaded.again))
            except HoldfastError as error:  # it names the setting; those that were good stay
                plant.log.error("reload.refused", reason=str(error))
                continue
            told = {"event": "settings.reloaded", "changed": ", ".join(found.now)}
            plant.log.info(**told)
            plant.recorder.soon(told)
            if found.later:
                plant.log.warning("reload.needs_restart", settings=", ".join(found.later))
