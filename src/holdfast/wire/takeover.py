"""Going on where another worker was lost: what it left unanswered is served again, or its caller is told the truth."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from holdfast.supervisor.deaths import Quarantine
from holdfast.supervisor.requests import Unanswered
from holdfast.wire import results
from holdfast.wire.kept import KeptIntake
from holdfast.wire.keptoutlet import KeptOutlet
from holdfast.wire.lastwords import guilty
from holdfast.wire.recognise import KEY
from holdfast.wire.remembered import Remembered
from holdfast.wire.underway import NOWHERE, UnderWay

if TYPE_CHECKING:
    from holdfast.supervisor.worker import Worker
    from holdfast.wire.stdio import Lines

UNKNOWN: Final = -32010
"""JSON-RPC 2.0, section 5.1: servers have codes of their own from -32000 down to -32099."""
MOST_SENT: Final = 3
"""Workers that one request may be given to whose tool may have ended them: the first, and two more."""
MOST_BESIDE: Final = 10
"""Workers that a request may be given to which was only beside: a call of 30 s, the default deadline, outlives a
``kill -9`` every three seconds. Not without end, as it is not always seen who ended a worker."""
CODE: Final = "supervisor.outcome_unknown"
LOST: Final = (
    "the server was restarted while this call ran, and it may have taken effect: look whether it did before you "
    "call again"
)
_TRIED: Final = "the server was lost while this call ran, more than once: do not repeat it as it is"


class Takeover:
    """The state that the workers of one connection hand on, and the requests that one of them left."""

    def __init__(self, worker: Worker, intake: KeptIntake, outlet: KeptOutlet, under_way: UnderWay) -> None:
        self._worker = worker
        self._intake = intake
        self._outlet = outlet
        self._under_way = under_way
        note: Mapping[str, Any] = json.loads(worker.memory.note() or b"{}")
        self._note: dict[str, Any] = dict(note)
        self.remembered = Remembered(self._keep_connection, note.get("connection", {}))
        self._quarantine = Quarantine(note.get("quarantine"))
        self._claims = note.get("claims")

    def go_on(self, lines: Lines, live: Any) -> None:
        """Serve again what may be, answer the rest, and take what was read already before anything new."""
        left = self._under_way.recover(self._intake.recover(), lines.named)
        lines.keeper = self._under_way
        suspects = self._judge(left, live)
        for request in left:
            self._one(request, lines, live, suspects)
        self._keep("claims", live.claims)
        self._outlet.start()
        self._intake.start()

    def _judge(self, left: Iterable[Unanswered], live: Any) -> set[str]:
        """Suspect the tools that were under way when a worker was lost by its own doing, and return them."""
        tools = guilty(
            self._worker, {tool for request in left if (tool := _tool(json.loads(request.line))) is not None}, live
        )
        if not self._worker.task.blamed:
            live.quarantined = self._quarantine.until(time.monotonic())
            return set()
        now = time.monotonic()
        self._quarantine.suspect(tools, now)
        live.quarantined = self._quarantine.until(now)
        self._keep("quarantine", self._quarantine.note())
        for tool in live.quarantined.keys() & tools:
            live.plant.log.error("tool.quarantined", tool=tool, seconds=Quarantine.FOR)
        return tools

    def _one(self, request: Unanswered, lines: Lines, live: Any, suspects: set[str]) -> None:
        """Serve it again, or say that its outcome is unknown.

        A call that writes may be served again when it has an idempotency key: the worker that is gone claimed the key,
        durably, before it began. The claim says which of three it is: there is none, so the work had not begun and is
        done now; it holds an answer, which is given again; or it is that of a dead process, and the caller is told
        that nobody knows (``idempotency.unknown``). In none of them is anything done twice.
        """
        body = json.loads(request.line)
        tool = _tool(body)
        repeatable = tool is None or live.repeatable(tool, self._key(body, live))
        most = MOST_SENT if tool in suspects else MOST_BESIDE
        served = request.slot != NOWHERE and request.sent < most and lines.named(request.line) is not None
        if served and repeatable and tool not in live.quarantined:
            self._under_way.again(request.slot)
            lines.resume(request.line, request.slot)
            return
        words = _TRIED if repeatable else LOST
        data = {"code": CODE, "retryable": False}
        self._under_way.told(request.slot)
        self._outlet.write(results.failure(body["id"], UNKNOWN, words, data) + b"\n")
        live.plant.log.warning("call.outcome_unknown", tool=tool)

    def _key(self, body: Mapping[str, Any], live: Any) -> object:
        """The key of a call, if its claim is to be found where this worker looks: settings may be others by now."""
        params = body.get("params")
        meta = params.get("_meta") if isinstance(params, dict) else None
        return meta.get(KEY) if isinstance(meta, dict) and self._claims == live.claims else None

    def _keep_connection(self, connection: dict[str, Any]) -> None:
        self._keep("connection", connection)

    def _keep(self, name: str, part: dict[str, Any]) -> None:
        self._note[name] = part
        self._worker.memory.keep(json.dumps(self._note).encode())


def _tool(body: Mapping[str, Any]) -> str | None:
    """The tool that a request calls; ``None`` for what does nothing but read."""
    if body["method"] != "tools/call":
        return None
    params = body.get("params")
    name = params.get("name") if isinstance(params, dict) else None
    return name if isinstance(name, str) else ""
