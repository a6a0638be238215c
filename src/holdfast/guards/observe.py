"""Sees every call from its first moment to its last: tracking, metrics, log, audit, events."""

from __future__ import annotations

import secrets
from asyncio import CancelledError
from typing import Any

from holdfast.core.context import current_context
from holdfast.core.operation import Operation
from holdfast.core.pipeline import Answer, Call, Proceed
from holdfast.errors import AuditUnavailable, ProtocolError, Refusal, ToolError
from holdfast.guards.parts import Parts
from holdfast.observe.audit import AuditLog
from holdfast.resources.tracking import Tracker, Usage
from holdfast.safe.handle import current_scope


class Observe:
    """Records each call; the audit line is written before the answer leaves."""

    def __init__(self, operation: Operation, parts: Parts) -> None:
        self._name = operation.name
        self._changes = operation.changes_things
        self._clock = parts.clock
        self._events = parts.events
        self._metrics = parts.metrics.for_tool(operation.name)
        self._audited = parts.metrics.audited
        self._audit = parts.audit
        self._fail_open = parts.settings.audit.fail_open
        self._log = parts.log
        self._occupancy = parts.occupancy

    async def around(self, proceed: Proceed, call: Call, /) -> Answer:
        """Run the call in a scope of its own, and close what it left open."""
        tracker = Tracker(self._occupancy)
        tracker.start()
        scope, context = current_scope.set(tracker), current_context.set(call.context)
        self._started(call)
        error: BaseException | None = None
        answer: Answer | None = None
        begun = self._clock.now()
        try:
            if self._audit is not None and self._changes and not (self._audit.working or self._fail_open):
                raise AuditUnavailable("this call would have to be recorded, and the audit log cannot be written")
            answer = await proceed(call)
            return answer
        except BaseException as failure:  # boundary: seen, recorded and raised again, cancellation included
            error = failure
            raise
        finally:
            current_scope.reset(scope)
            current_context.reset(context)
            tracker.bytes_in, tracker.bytes_out = call.bytes_in, call.bytes_out
            try:
                await tracker.close()
            finally:  # also when this is cancelled in its turn: every call that began is seen to end
                await self._ended(call, answer, error, self._clock.now() - begun, tracker.finish())

    def _started(self, call: Call) -> None:
        self._metrics.started()
        if self._events.wanted:
            self._events.emit(
                "tool.started", tool=self._name, request_id=call.request_id, principal=call.principal.name
            )

    async def _ended(
        self, call: Call, answer: Answer | None, error: BaseException | None, seconds: float, usage: Usage
    ) -> None:
        outcome, code = _outcome(answer, error)
        self._metrics.ended(outcome, seconds)
        if isinstance(error, Refusal):
            self._metrics.refused(error.code.partition(".")[0], error.code)
        if outcome == "failed":
            call.incident = secrets.token_hex(6)
        record = self._record(call, outcome, code, seconds)
        self._write_log(record, error, usage)
        if self._events.wanted:
            self._events.emit(_EVENTS.get(outcome, "tool.failed"), **record)
        if self._audit is not None and (self._changes or isinstance(error, Refusal)):
            await self._write_audit(self._audit, record, error)

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

    def _write_log(self, record: dict[str, Any], error: BaseException | None, usage: Usage) -> None:
        if record["outcome"] == "failed" and error is not None:
            self._log.error("call", **record, fault=_fault(error), exc_info=error, **_used(usage))
        else:
            self._log.info("call", **record, **_used(usage))


_EVENTS = {"ok": "tool.completed", "question": "tool.completed", "error": "tool.failed", "refused": "tool.refused"}


def _outcome(answer: Answer | None, error: BaseException | None) -> tuple[str, str | None]:
    if answer is not None:
        return ("question" if answer.input_required else "error" if answer.is_error else "ok"), None
    if isinstance(error, Refusal):
        return "refused", error.code
    if isinstance(error, ToolError):
        return "error", error.code
    if isinstance(error, ProtocolError):
        return "refused", str(error.rpc_code)
    return ("cancelled", None) if isinstance(error, CancelledError) else ("failed", "tool.failed")


def _used(usage: Usage) -> dict[str, Any]:
    """What is worth a word in the log: the times, and whatever was left behind."""
    told = {"cpu": round(usage.cpu, 6), "bytes_in": usage.bytes_in, "bytes_out": usage.bytes_out}
    left = {
        name: getattr(usage, name)
        for name in ("closed_handles", "tasks_left", "tasks_stuck", "processes_left", "descriptors")
    }
    return told | {name: count for name, count in left.items() if count}


def _fault(error: BaseException) -> str:
    """Whose fault a failure is: the world's (operational) or the code's (programmer)."""
    return "operational" if isinstance(error, OSError | TimeoutError | EOFError) else "programmer"


def recipe(operation: Operation, parts: Parts) -> Observe:
    """Every operation is observed."""
    return Observe(operation, parts)
