"""A saga as a tool sees it: steps that are done one after the other, and undone together."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol


class Saga(Protocol):
    """Implemented by ``state.sagas``. Left normally, a saga is done; left by an exception, it is undone."""

    id: str
    """Of this saga alone, also after a restart."""

    async def step(self, name: str, do: Callable[..., Any], undo: str | None = None, payload: Any = None) -> Any:
        """Journal the intent, then call ``do`` and return what it returns, awaited if need be.

        ``undo`` names what ``@server.compensation`` registered; ``None``: there is nothing to undo. ``do`` and the
        compensation are called with as many of ``payload`` (JSON) and the step's idempotency id as they take. A
        compensation runs at least once, also when ``do`` failed or never got that far, and in another process after a
        crash; so it has to bear a step that was not done, and one that is undone already.
        """
        ...


OpenSaga = AbstractAsyncContextManager[Saga]
