"""What outlives a process: the durable store and what is kept in it, each opened when something first needs it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from holdfast.core.clock import Clock
from holdfast.core.config import Settings
from holdfast.errors import Busy
from holdfast.guards.parts import Parts
from holdfast.observe.health import Health, state
from holdfast.observe.metrics import Metrics
from holdfast.state.breakers import Breakers
from holdfast.state.durable import Durable
from holdfast.state.location import folder_for, path_of

if TYPE_CHECKING:
    from holdfast.access.quotas import Quotas
    from holdfast.state.idempotency import Keys
    from holdfast.state.sagas import Sagas


class Lasting:
    """Of one serving. ``parts`` is asked when a saga begins, not before: some parts are made from what is here."""

    def __init__(  # noqa: PLR0913 - the plant's own, handed on
        self,
        name: str,
        settings: Settings,
        clock: Clock,
        log: Any,
        metrics: Metrics,
        health: Health,
        parts: Callable[[], Parts],
    ) -> None:
        self._name, self._settings, self._clock = name, settings, clock
        self._log, self._metrics, self._health, self._parts = log, metrics, health, parts
        where = path_of(name, settings.state)
        self.durable = Durable(where, self.state_dir, clock, lambda name: log.error("state.damaged", set_aside=name))
        self._left = self.durable.there()  # a file that is not one of ours, or of a newer version, is told of now
        self.breakers = Breakers(self.durable, clock)
        self._keys: Keys | None = None
        self._sagas: Sagas | None = None
        self.compensations: Callable[[], Mapping[str, Callable[..., Any]]] = dict
        """What undoes the steps of sagas, by name; set by the server."""
        metrics.watch("state_damaged", lambda: self.durable.damaged)
        health.add("state", state(self.durable.lost, lambda: self.durable.broken), critical=False)

    def state_dir(self) -> Path:
        """The folder of this server's durable state, made when needed, for its owner only."""
        return folder_for(self._name, self._settings.state)

    def quotas(self) -> Quotas:
        """The quotas of all principals, counted in the store."""
        from holdfast.access.allowances import allowances_of
        from holdfast.access.quotas import Quotas
        from holdfast.observe.checks import quotas as known

        wall = self._clock.wall
        limits = allowances_of(self._settings.quotas, self._settings.limits.quota)
        store = self.durable.open_now()
        quotas = Quotas(store, *limits)
        for dimension in quotas.spent:
            self._metrics.watch(f"quota_spent_{dimension}", partial(quotas.spent.__getitem__, dimension))
        self._metrics.watch("quotas_uncounted", lambda: quotas.uncounted)
        self._health.add("quotas", known(lambda: quotas.in_doubt(store.lost(), wall())), critical=False)
        return quotas

    def keys(self) -> Keys:
        """The idempotency keys, made when the first one is sent."""
        if self._keys is None:
            from holdfast.state.idempotency import Keys

            settings = self._settings.idempotency
            self._keys = Keys(self.durable, lifetime=settings.lifetime, rows=settings.keys, size=settings.size)
        return self._keys

    def sagas(self) -> Sagas:
        """The sagas, made when the first one begins or one was left behind."""
        if self._sagas is None:
            from holdfast.observe.checks import sagas as known
            from holdfast.state.sagas import Sagas

            run = self._parts().threads.run
            made = Sagas(self.durable, self._clock, lambda: self.compensations(), run, self._told)
            self._sagas = made
            self._metrics.watch("sagas_stuck", lambda: len(made.stuck))
            self._health.add("sagas", known(lambda: len(made.stuck)), critical=False)
        return self._sagas

    def _told(self, what: str, fields: Mapping[str, Any]) -> None:
        """What became of a saga that was not done."""
        (self._log.warning if what == "saga.undone" else self._log.error)(what, **fields)
        self._metrics.event(what)
        self._parts().events.emit(what, **fields)

    async def recall(self) -> None:
        """Take up what an earlier process left: once, before calls are served."""
        if self._left:
            try:
                await self.breakers.recall()
            except Busy as error:  # whatever needs it will say so, and so does the health check
                self._log.error("state.unusable", failure=str(error))
                return
            self.sagas().resuming()

    async def close(self, patience: Callable[[], float]) -> None:
        """Finish what waits, each thing within ``patience()`` seconds, and release the file."""
        await self.breakers.close(patience())
        if self._sagas is not None:
            await self._sagas.close(patience())
        await self.durable.close()
