"""Sees every call from its first moment to its last: tracking, metrics, log, audit, events."""

from __future__ import annotations

import secrets
from asyncio import CancelledError
from collections.abc import Callable
from json.encoder import encode_basestring_ascii as quoted
from typing import Any

from holdfast.core.context import current_context
from holdfast.core.operation import Operation
from holdfast.core.pipeline import Answer, Call, Proceed
from holdfast.errors import AuditUnavailable, ProtocolError, Refusal, ToolError
from holdfast.guards.parts import Parts
from holdfast.observe.audit import AuditLog
from holdfast.observe.calls import CallRecord, call_log
from holdfast.resources.tracking import Tracker, Usage
from holdfast.safe.handle import current_scope


class Observe:
    """Records each call; the audit line is written before the answer leaves.

    Runs around every call, so nothing is built here that nobody reads, and nothing is awaited without need.
    """

    def __init__(self, operation: Operation, parts: Parts) -> None:
        self._name = operation.name
        self._changes = operation.changes_things
        self._now = parts.clock.now
        self._wall = parts.clock.wall
        self._events = parts.events
        self._quoted = quoted(operation.name)
        self._metrics = parts.metrics.for_tool(operation.name)
        self._audited = parts.metrics.audited
        self._count_audited = parts.metrics.audit_records.add
        self._audit = parts.audit
        self._fail_open = parts.settings.audit.fail_open
        self._log = parts.log
        self._tell = call_log(parts.log)
        self._occupancy = parts.occupancy

    async def around(self, proceed: Proceed, call: Call, /) -> Answer:
        """Run the call in a scope of its own, and close what it left open."""
        tracker = Tracker(self._occupancy)
        tracker.start()
        scope, context = current_scope.set(tracker), current_context.set(call.context)
        self._metrics.begun += 1
        error: BaseException | None = None
        answer: Answer | None = None
        begun = self._now()
        try:
            if self._events.wanted:
                self._tell_started(call)
            if self._changes and self._audit is not None and not (self._audit.working or self._fail_open):
                raise AuditUnavailable("this call would have to be recorded, and the audit log cannot be written")
            answer = await proceed(call)
            return answer
        except BaseException as failure:  # boundary: seen, recorded and raised again, cancellation included
            error = failure
            raise
        finally:
            current_scope.reset(scope)
            current_context.reset(context)
            try:
                if tracker.shut():
                    await tracker.close()
            finally:  # also when this is cancelled in its turn: every call that began is seen to end
                record = self._ended(call, answer, error, self._now() - begun, tracker.finish())
                if record is not None and self._audit is not None:
                    await self._write_audit(self._audit, record, error)

    def _tell_started(self, call: Call) -> None:
        self._events.emit("tool.started", tool=self._name, request_id=call.request_id, principal=call.principal.name)

    def _ended(
        self, call: Call, answer: Answer | None, error: BaseException | None, seconds: float, usage: Usage
    ) -> dict[str, Any] | None:
        """Count and tell; return the record if it has yet to be written to the audit log."""
        if answer is None:
            outcome, code = _failure(error)
        else:
            outcome, code = "question" if answer.input_required else "error" if answer.is_error else "ok", None
        self._metrics.ended(outcome, seconds)
        audited = self._changes and self._audit is not None
        if isinstance(error, Refusal):
            self._metrics.refused(error.code.partition(".")[0], error.code)
            audited = self._audit is not None
        if outcome == "failed":
            call.incident = secrets.token_hex(6)
            self._tell_failure(call, seconds, error, usage)
        elif self._tell is not None:
            left = None if usage[4:] == _NOTHING_LEFT else _left(usage)
            said = (
                self._wall(), call.request_id, self._name, call.principal.name, outcome, seconds, code, usage[1],
                call.bytes_in, call.bytes_out, left,
            )  # fmt: skip
            self._tell(_made(CallRecord, said))
        if not (audited or self._events.wanted):
            return None
        if (
            code is None  # the usual line, which has no incident either: no record is built for it
            and not self._events.wanted
            and self._audit is not None
            and self._audit.call_now(self._quoted, call.request_id, call.principal.name, outcome, seconds)
        ):
            self._count_audited(_WRITTEN)
            return None
        record = self._record(call, outcome, code, seconds)
        if self._events.wanted:
            self._events.emit(_EVENTS.get(outcome, "tool.failed"), **record)
        return record if audited and not self._audited_now(record) else None

    def _audited_now(self, record: dict[str, Any]) -> bool:
        if self._audit is None or not self._audit.append_now(record):
            return False
        self._audited("written")
        return True

    async def _write_audit(self, audit: AuditLog, record: dict[str, Any], error: BaseException | None) -> None:
        try:
            await audit.append(record)
            self._audited("written" if audit.working else "lost")
        except AuditUnavailable:
            self._audited("refused")
            if not isinstance(error, CancelledError):  # then no answer waits for its record, and nobody for an answer
                raise

    def _record(self, call: Call, outcome: str, code: str | None, seconds: float) -> dict[str, Any]:
        record: dict[str, Any] = {
            "request_id": call.request_id,
            "tool": self._name,
            "principal": call.principal.name,
            "outcome": outcome,
            "seconds": round(seconds, 6),
        }
        if code is not None:
            record["code"] = code
        if call.incident is not None:
            record["incident"] = call.incident
        return record

    def _tell_failure(self, call: Call, seconds: float, error: BaseException | None, usage: Usage) -> None:
        record = self._record(call, "failed", "tool.failed", seconds)
        used = {"cpu": round(usage.cpu, 6), "bytes_in": call.bytes_in, "bytes_out": call.bytes_out}
        self._log.error("call", **record, fault=_fault(error), exc_info=error, **used, **_left(usage))


_EVENTS = {"ok": "tool.completed", "question": "tool.completed", "error": "tool.failed", "refused": "tool.refused"}
_WRITTEN = ("written",)
_made: Callable[[type[CallRecord], tuple[Any, ...]], CallRecord] = tuple.__new__
"""As ``CallRecord(...)``, in a third of its time."""
_LEFT = Usage._fields[4:]
_NOTHING_LEFT = (0, 0, 0, 0, None)
"""What a tidy call leaves: no handles, tasks, stuck tasks, processes, and no descriptors looked at."""


def _failure(error: BaseException | None) -> tuple[str, str | None]:
    if isinstance(error, Refusal):
        return "refused", error.code
    if isinstance(error, ToolError):
        return "error", error.code
    if isinstance(error, ProtocolError):
        return "refused", str(error.rpc_code)
    return ("cancelled", None) if isinstance(error, CancelledError) else ("failed", "tool.failed")


def _left(usage: Usage) -> dict[str, int]:
    """What was left behind is worth a word in the log."""
    return {name: count for name, count in zip(_LEFT, usage[4:], strict=True) if count}


def _fault(error: BaseException | None) -> str:
    """Whose fault a failure is: the world's (operational) or the code's (programmer)."""
    return "operational" if isinstance(error, OSError | TimeoutError | EOFError) else "programmer"


def recipe(operation: Operation, parts: Parts) -> Observe:
    """Every operation is observed."""
    return Observe(operation, parts)
