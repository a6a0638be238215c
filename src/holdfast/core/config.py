"""The settings of a server: one frozen tree, each default safe, each value described."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, field_validator
from pydantic_core import PydanticCustomError

from holdfast.core.limits import parse_rate
from holdfast.errors import ConfigurationError

ENV_PREFIX = "HOLDFAST_"
MIB = 1024 * 1024


def _rate(text: Any) -> Any:
    try:
        parse_rate(text)
    except ConfigurationError as error:  # so that the message names the setting
        raise PydanticCustomError("rate", "{why}", {"why": str(error)}) from None
    return text


Rate = Annotated[str, BeforeValidator(_rate)]
Port = Annotated[int, Field(ge=1, le=65535)]


class _Section(BaseModel):
    # built on first use: most servers never validate a section by itself, and `Settings` holds the schemas of all
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class LimitSettings(_Section):
    """What every tool may use unless its author or the operator says otherwise."""

    timeout: float = Field(30.0, gt=0, description="seconds one call may take, all attempts together")
    rate: Rate = Field("100/minute", description="calls per tool and principal, with a burst of as many")
    concurrency: int = Field(16, gt=0, description="calls of one tool running at once")
    queue: int = Field(64, ge=0, description="calls of one tool waiting for a place")
    total: int = Field(64, gt=0, description="calls running at once, all tools together")
    input: int = Field(MIB, gt=0, description="bytes of arguments, as JSON")
    output: int = Field(MIB, gt=0, description="bytes of one answer, as JSON")
    cost: float = Field(1.0, ge=0, description="what one call spends of its principal's quota")
    quota: Rate | None = Field(None, description="what one principal may spend in all, e.g. 10000/day (off)")
    principals: int = Field(10_000, gt=0, description="principals whose rates are remembered at once")
    depth: int = Field(64, gt=0, le=192, description="nesting of arguments")
    elements: int = Field(100_000, gt=0, description="values in the arguments, all levels together")
    message: int = Field(4 * MIB, gt=0, description="bytes of one message: a line, or an HTTP body")
    threads: int = Field(64, gt=0, description="worker threads for synchronous tools")
    in_flight: int = Field(1_024, gt=0, description="requests of one connection over pipes under way at once")


class HttpSettings(_Section):
    """The HTTP transport."""

    host: str = Field("127.0.0.1", description="address to bind; beyond loopback needs authentication")
    port: int = Field(8000, ge=0, le=65535, description="port to bind; 0 takes a free one")
    allowed_hosts: tuple[str, ...] = Field((), description="Host headers to accept besides the bound address")
    allowed_origins: tuple[str, ...] = Field((), description="Origin headers to accept besides the bound address")
    receive_timeout: float = Field(10.0, gt=0, description="seconds a client may take to send one request")
    connections: int = Field(1_000, gt=0, description="requests held open at once")
    sessions: int = Field(1_000, gt=0, description="sessions of the handshake era at once")
    sessions_each: int | None = Field(
        None, gt=0, description="of these, what one principal at one address may hold (default: an eighth)"
    )
    stateless: bool = Field(False, description="no sessions for the handshake era: each request stands alone")
    json_response: bool = Field(False, description="answer with plain JSON in place of event streams where possible")
    session_idle: float = Field(1800.0, gt=0, description="seconds after which an idle session ends")
    drain: float = Field(30.0, ge=0, description="seconds that calls in flight get when the server stops")


class AuthSettings(_Section):
    """Who may call over HTTP."""

    tokens: SecretStr | None = Field(
        None,
        description="clients' bearer tokens: one token, a JSON list of them, or a JSON object name -> token or "
        '{"token": ..., "scopes": [...]}',
    )
    local_scopes: tuple[str, ...] = Field(("*",), description="what the client of a stdio server may use (JSON list)")
    required: bool | None = Field(None, description="ask for a token (default: when tokens are set)")

    @field_validator("tokens", mode="before")
    @classmethod
    def _keep_as_text(cls, value: Any) -> Any:
        return json.dumps(value) if isinstance(value, list | tuple | dict) else value


class UrlSettings(_Section):
    """Which addresses tools may fetch."""

    allow: tuple[str, ...] = Field((), description="host:port pairs admitted although they are private (JSON list)")
    ports: tuple[Port, ...] = Field((80, 443), description="ports that may be fetched (JSON list)")
    timeout: float = Field(10.0, gt=0, description="seconds for one fetch, redirects included")
    max_bytes: int = Field(2 * MIB, gt=0, description="bytes of one response, decompressed")


class LogSettings(_Section):
    """The server's log."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="least level that is written")
    format: Literal["auto", "json", "console"] = Field("auto", description="auto: console in a terminal, else JSON")
    file: Path | None = Field(None, description="a rotated file to write to in place of stderr")


class AuditSettings(_Section):
    """The hash-chained record of refusals and of calls that change something."""

    enabled: bool = Field(True, description="keep an audit log")
    file: Path | None = Field(None, description="where (default: audit.jsonl in the state folder)")
    fail_open: bool = Field(False, description="serve calls even when the audit log cannot be written")


class HealthSettings(_Section):
    """Health and metrics endpoints beside a stdio server."""

    host: str = Field("127.0.0.1", description="address for the endpoints")
    port: int | None = Field(None, ge=0, le=65535, description="port for /health, /livez, /readyz, /metrics (off)")


class SecretSettings(_Section):
    """Encrypted settings and redaction."""

    keys: tuple[SecretStr, ...] = Field((), description="keys for enc: values, newest first (JSON list)")
    personal_data: bool = Field(False, description="redact e-mail addresses, phone and card numbers in answers too")


class WatchdogSettings(_Section):
    """When the watchdog acts."""

    enabled: bool = Field(True, description="watch the event loop")
    heartbeat: float = Field(0.05, gt=0, description="seconds between the loop's heartbeats")
    lag: float = Field(0.1, gt=0, description="seconds of loop lag that are reported")
    interrupt: float = Field(10.0, gt=0, description="seconds of a blocked loop after which its call is interrupted")
    memory: int = Field(512 * MIB, gt=0, description="bytes of resident memory that count as the budget")


class Settings(_Section):
    """All settings. Build them with ``load`` so that each value can be traced to its layer.

    Nothing is read here: neither the environment nor a file. Defaults are taken as they are written; that they fit
    their own fields is held by a test.
    """

    workspace: Path | None = Field(None, description="folder beneath which tools may read and write")
    workspace_read_only: bool = Field(False, description="refuse every write to the workspace")
    fast_path: bool = Field(True, description="answer common messages directly; off: all through the SDK")
    database: SecretStr | None = Field(
        None, description="SQLite file, or SQLAlchemy URL of one or of PostgreSQL, that tools may query"
    )
    state: Path | None = Field(None, description="folder for durable state (default: the user's state folder)")
    limits: LimitSettings = LimitSettings.model_construct()
    http: HttpSettings = HttpSettings.model_construct()
    auth: AuthSettings = AuthSettings.model_construct()
    urls: UrlSettings = UrlSettings.model_construct()
    log: LogSettings = LogSettings.model_construct()
    audit: AuditSettings = AuditSettings.model_construct()
    health: HealthSettings = HealthSettings.model_construct()
    secrets: SecretSettings = SecretSettings.model_construct()
    watchdog: WatchdogSettings = WatchdogSettings.model_construct()
