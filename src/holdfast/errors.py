"""Every error that holdfast raises, as one tree, each refusal with its stable code.

    HoldfastError
    |- ConfigurationError            the operator or author must change something; raised at build or start
    |  |- DuplicateName              two owners claim one name
    |  `- MissingSetting             a tool needs a setting that is not set
    |- ProtocolError                 the request itself is wrong: becomes a JSON-RPC error
    |  |- UnknownName                no such tool, prompt or resource (-32602)
    |  `- MissingCapability          the client cannot do what the tool needs (-32021)
    |- ToolError                     a tool's author says: show this text to the caller
    `- Refusal                       a guard or a handle says no; the call did not do its work (or not all of it)
       |- InputTooLarge              input.too_large
       |- InvalidArguments           arguments.invalid
       |- AccessDenied               access.denied
       |- QuotaExceeded              quota.exceeded
       |- RateLimited                rate.limited
       |- DeadlineExceeded           deadline.exceeded
       |- Busy                       busy
       |- ProcessDied                isolation.crashed, isolation.memory, isolation.unavailable
       |- Overloaded                 server.overloaded
       |- BreakerOpen                breaker.open
       |- DependencyUnavailable      dependency.unavailable (.open, .busy, .timeout)
       |- OutputTooLarge             output.too_large
       |- OutputInvalid              output.invalid
       |- IdempotencyRefused         idempotency.*
       |- SagaRefused                saga.running, saga.stuck
       |- AuditUnavailable           audit.unavailable
       |- UnsafePath                 path.refused
       |- UnsafeCommand              command.refused
       |- UnsafeUrl                  url.refused
       |- UnsafeQuery                query.refused
       `- Draining                   server.draining

Messages are written for the caller: they say what to do and never hold a value that was sent, a path of the
machine, or a secret. Anything else that escapes a tool (a plain Python exception) reaches the caller as the code
``tool.failed`` and an incident id only.
"""

from __future__ import annotations

from typing import Any, ClassVar


class HoldfastError(Exception):
    """The root of the tree."""


class ConfigurationError(HoldfastError):
    """The author or operator must change something; never raised while a call is served."""


class DuplicateName(ConfigurationError):
    """Two owners claim one name; the message names both and the remedy."""


class MissingSetting(ConfigurationError):
    """A tool needs a setting that is not set; the message names the setting and its environment variable."""


class ProtocolError(HoldfastError):
    """The request is wrong as a message; becomes a JSON-RPC error with this ``rpc_code``.

    ``data`` is sent as the error's data and must hold nothing that the caller may not see.
    """

    def __init__(self, rpc_code: int, message: str, data: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.rpc_code = rpc_code
        self.message = message
        self.data = data


class UnknownName(ProtocolError):
    """No such tool, prompt, resource or cursor: -32602 (MCP 2025-11-25, server/tools, error handling)."""

    def __init__(self, kind: str, data: dict[str, Any] | None = None) -> None:
        super().__init__(-32602, f"unknown {kind}; list the {kind}s to see what this server offers", data)


class MissingCapability(ProtocolError):
    """The client did not declare a capability that this call needs: -32021 (MCP 2026-07-28)."""

    def __init__(self, required: dict[str, Any]) -> None:
        super().__init__(
            -32021,
            "this call needs a client capability that was not declared",
            {"requiredCapabilities": required},
        )


class ToolError(HoldfastError):
    """Raised by a tool's author; the text is shown to the caller (after redaction).

    ``retryable`` says that the same call may succeed later; ``retry_after`` (seconds) says when.
    """

    code: ClassVar[str] = "tool.error"

    def __init__(self, message: str, *, retryable: bool = False, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.message = str(message)  # authors write ToolError(error) too
        self.retryable = retryable
        self.retry_after = None if retry_after is None else float(retry_after)


class Refusal(HoldfastError):
    """A guard or a handle said no. ``code`` is stable; ``message`` is safe to show to the caller."""

    code: ClassVar[str] = "refused"
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, retry_after: float | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.retry_after = None if retry_after is None else float(retry_after)
        if code is not None:
            self.code = str(code)  # type: ignore[misc]  # an instance may narrow its class's code ("path.too_large")


class InputTooLarge(Refusal):
    """The arguments are larger, deeper or more numerous than the tool takes."""

    code = "input.too_large"


class InvalidArguments(Refusal):
    """The arguments do not fit the tool's schema."""

    code = "arguments.invalid"


class AccessDenied(Refusal):
    """The principal lacks a scope or capability."""

    code = "access.denied"


class QuotaExceeded(Refusal):
    """The principal has spent what it may spend in all."""

    code = "quota.exceeded"
    retryable = True


class RateLimited(Refusal):
    """The principal calls this tool too often; ``retry_after`` says when to come back."""

    code = "rate.limited"
    retryable = True


class DeadlineExceeded(Refusal):
    """The call's one deadline passed."""

    code = "deadline.exceeded"
    retryable = True


class Busy(Refusal):
    """All running places and the queue are taken."""

    code = "busy"
    retryable = True


class ProcessDied(Refusal):
    """The tool's own process ended in mid-call: a crash, a kill from outside, or its memory limit.

    ``exit_status`` is negative for a signal, and ``None`` when nobody knows. ``isolation.unavailable``: none started.
    """

    code = "isolation.crashed"

    def __init__(self, message: str, exit_status: int | None = None, *, code: str | None = None) -> None:
        super().__init__(message, code=code)
        self.exit_status = exit_status


class Overloaded(Refusal):
    """The server has more to do than it can, and leaves calls of this tool's priority for later."""

    code = "server.overloaded"
    retryable = True


class BreakerOpen(Refusal):
    """The tool failed too often lately; it is left alone for a while."""

    code = "breaker.open"
    retryable = True


class DependencyUnavailable(Refusal):
    """A service that the tool calls is left alone (``.open``), busy (``.busy``) or silent (``.timeout``)."""

    code = "dependency.unavailable"
    retryable = True


class OutputTooLarge(Refusal):
    """The tool's answer is larger than its limit and may not be cut."""

    code = "output.too_large"


class OutputInvalid(Refusal):
    """The tool's answer does not fit its own output schema."""

    code = "output.invalid"


class AuditUnavailable(Refusal):
    """The audit log could not be written, and the settings say that nothing happens unaudited."""

    code = "audit.unavailable"
    retryable = True


class IdempotencyRefused(Refusal):
    """A call with an idempotency key that is not to run: ``idempotency.mismatch`` (the key belongs to another call),
    ``.running`` (in another process), ``.unknown`` (the first one was interrupted) or ``.not_kept`` (done before).
    """

    code = "idempotency.unknown"

    @property
    def retryable(self) -> bool:  # type: ignore[override]  # of one class, and only one of its codes is
        """Whether the same call may succeed later."""
        return self.code == "idempotency.running"


class SagaRefused(Refusal):
    """A saga of that name and key is there already: ``saga.running``, or ``saga.stuck`` (it waits for the operator)."""

    code = "saga.running"

    @property
    def retryable(self) -> bool:  # type: ignore[override]  # of one class, and only one of its codes is
        """Whether the same call may succeed later."""
        return self.code == "saga.running"


class UnsafePath(Refusal):
    """A path that leaves its root, is hidden, is not a regular file, or the like."""

    code = "path.refused"


class UnsafeCommand(Refusal):
    """A program, subcommand, flag or operand that was not declared."""

    code = "command.refused"


class UnsafeUrl(Refusal):
    """A URL whose scheme, host, port or resolved address is not allowed."""

    code = "url.refused"


class UnsafeQuery(Refusal):
    """A statement that is not one declared, read-only statement."""

    code = "query.refused"


class Quarantined(Refusal):
    """The tool was under way when the server process was lost, more than once, and is left alone for a while."""

    code = "supervisor.quarantined"
    retryable = True


class Draining(Refusal):
    """The server is shutting down and takes no new calls."""

    code = "server.draining"
    retryable = True
