"""The settings of a server: one frozen tree, each default safe, each value described."""

from __future__ import annotations

import json
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, field_validator, model_validator
from pydantic_core import PydanticCustomError

from holdfast.core.limits import LEAST_MEMORY, parse_rate
from holdfast.errors import ConfigurationError

ENV_PREFIX = "HOLDFAST_"
MIB = 1024 * 1024
YEAR = 365 * 86_400.0
"""Seconds: the longest of the durations below. A thread cannot wait for more than 292 years, nor for infinity."""


def _rate(text: Any) -> Any:
    try:
        parse_rate(text)
    except ConfigurationError as error:  # so that the message names the setting
        raise PydanticCustomError("rate", "{why}", {"why": str(error)}) from None
    return text


def _as_text(value: Any) -> Any:
    """A table from a file or a program as the JSON that the environment holds; TOML has moments of its own."""
    return json.dumps(value, default=_moment) if isinstance(value, list | tuple | dict) else value


def _moment(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise PydanticCustomError("table", "only what JSON can hold fits here")


Rate = Annotated[str, BeforeValidator(_rate)]
Seconds = Annotated[float, Field(gt=0, le=YEAR)]
Port = Annotated[int, Field(ge=1, le=65535)]
Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
"""Signatures with a public key (RFC 7518, 8037). ``none`` and the symmetric ones cannot be chosen: with those, whoever
knows a public key could sign (RFC 8725, section 2.1)."""


class _Section(BaseModel):
    # built on first use: most servers never validate a section by itself, and `Settings` holds the schemas of all
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class LimitSettings(_Section):
    """What every tool may use unless its author or the operator says otherwise."""

    timeout: float = Field(
        30.0, gt=0, allow_inf_nan=False, description="seconds one call may take, all attempts together"
    )
    rate: Rate = Field("100/minute", description="calls per tool and principal, with a burst of as many")
    concurrency: int = Field(16, gt=0, description="calls of one tool running at once")
    queue: int = Field(64, ge=0, description="calls of one tool waiting for a place")
    total: int = Field(64, gt=0, description="calls on the event loop at once, all asynchronous tools together")
    adaptive: bool = Field(False, description="fit concurrency to each tool's latency, if its author gives no number")
    adaptive_rate: bool = Field(
        False, description="lower the rate of a tool, to a tenth at least, while it fails often"
    )
    shed_queue: float = Field(
        0.5, gt=0, le=1, description="share of the server's queue past which tools of low priority are refused"
    )
    shed_wait: Seconds = Field(
        1.0, description="seconds a call waits in the server's queue past which tools of low priority are refused",
    )  # fmt: skip
    input: int = Field(MIB, gt=0, description="bytes of arguments, as JSON")
    output: int = Field(MIB, gt=0, description="bytes of one answer, as JSON")
    cost: float = Field(1.0, ge=0, allow_inf_nan=False, description="what one call spends of its principal's quota")
    quota: Rate | None = Field(None, description="what one principal may spend in all, e.g. 10000/day (off)")
    principals: int = Field(10_000, gt=0, description="principals whose rates are remembered at once")
    depth: int = Field(64, gt=0, le=192, description="nesting of arguments")
    elements: int = Field(100_000, gt=0, description="values in the arguments, all levels together")
    message: int = Field(4 * MIB, gt=0, description="bytes of one message: a line, or an HTTP body")
    threads: int = Field(64, gt=0, description="worker threads for synchronous tools")
    stuck: Seconds = Field(30.0, description="seconds that all worker threads may be stuck until that is for good")
    processes: int = Field(2, gt=0, le=256, description="worker processes for tools with isolation=process, kept warm")
    memory: int = Field(512 * MIB, ge=LEAST_MEMORY, description="bytes of data that one call in a process may hold")
    in_flight: int = Field(1_024, gt=0, description="requests of one connection over pipes under way at once")


class StdioSettings(_Section):
    """The transport over standard input and output."""

    drain: float = Field(
        3.0,
        ge=0,
        le=YEAR,
        description="seconds that calls in flight get when the client leaves or a signal comes; clients kill after 4",
    )


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
    drain: float = Field(30.0, ge=0, le=YEAR, description="seconds that calls in flight get when the server stops")


class AuthSettings(_Section):
    """Who may call over HTTP."""

    tokens: SecretStr | None = Field(
        None,
        description="clients' bearer tokens: one token, a JSON list of them, or a JSON object name -> token or "
        '{"token": ..., "scopes": [...], "not_before": ..., "expires": ...}, or a list of these; '
        "holdfast token new makes them, hashed",
    )
    tokens_file: Path | None = Field(None, description="a file with more of the same, read again when it changes")
    issuer: str | None = Field(None, description="whose signed tokens (JWT) are taken: the issuer's URL, exactly")
    resource: str | None = Field(None, description="URL at which clients reach this server's /mcp (RFC 9728, 8707)")
    audience: tuple[str, ...] = Field((), description="audiences that mean this server (JSON list; default: resource)")
    jwks: str | None = Field(
        None, description="the issuer's keys: an https URL, a file, or JSON (default: as its metadata says)"
    )
    algorithms: tuple[Algorithm, ...] = Field(
        ("RS256", "PS256", "ES256", "EdDSA"), description="signatures that are taken (JSON list); none is symmetric"
    )
    token_type: Literal["any", "at+jwt"] = Field("any", description="at+jwt: take access tokens of RFC 9068 only")
    leeway: float = Field(30.0, ge=0, le=60, description="seconds that an issuer's clock may be ahead")
    allow: tuple[str, ...] = Field(
        (), description="host:port pairs of the issuer although they are private (JSON list)"
    )
    scopes: tuple[str, ...] = Field((), description="scopes that every caller over HTTP must hold (JSON list)")
    failures: int = Field(30, gt=0, description="failed attempts a minute and address before more are turned away")
    local_scopes: tuple[str, ...] = Field(("*",), description="what the client of a stdio server may use (JSON list)")
    required: bool | None = Field(None, description="ask for a token (default: when tokens or an issuer are set)")

    @field_validator("tokens", mode="before")
    @classmethod
    def _keep_as_text(cls, value: Any) -> Any:
        return _as_text(value)


class AccessSettings(_Section):
    """Who may use what. Nothing here: everybody everything, but for what asks for scopes."""

    grants: str | None = Field(
        None,
        description='JSON object of name, "scope:NAME" or "*" -> list of {"tools": [...], "resources": [...], '
        '"prompts": [...], "actions": [...], "where": {...}, "until": ...}; all else is refused (off)',
    )

    @field_validator("grants", mode="before")
    @classmethod
    def _keep_as_text(cls, value: Any) -> Any:
        return _as_text(value)


class UrlSettings(_Section):
    """Which addresses tools may fetch."""

    allow: tuple[str, ...] = Field((), description="host:port pairs admitted although they are private (JSON list)")
    ports: tuple[Port, ...] = Field((80, 443), description="ports that may be fetched (JSON list)")
    timeout: float = Field(10.0, gt=0, description="seconds for one fetch, redirects included")
    max_bytes: int = Field(2 * MIB, gt=0, description="bytes of one response, decompressed")
    hosts: tuple[str, ...] = Field(
        (), description="the only hosts that may be fetched: names, or *.example.org for all below (JSON list; off)"
    )
    deny: tuple[str, ...] = Field(
        (), description="hosts, with all below them, addresses and networks never fetched (JSON list)"
    )
    types: tuple[str, ...] | None = Field(
        None, description="media types that may be read, e.g. image/* (JSON list; default: text in its common forms)"
    )
    max_body: int = Field(MIB, gt=0, description="bytes of one request's body")


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


class ManifestSettings(_Section):
    """Holding the server to what was pinned with ``holdfast check --pin``."""

    file: Path | None = Field(None, description="the pinned manifest that names, texts and schemas must fit (off)")
    on_change: Literal["refuse", "flag"] = Field(
        "refuse", description="refuse: what is not as pinned is not served; flag: it is served, marked and told of"
    )


class IdempotencySettings(_Section):
    """Calls that carry an idempotency key, and the answers that are kept for them."""

    lifetime: float = Field(86_400.0, ge=60, le=YEAR, description="seconds that a key stands for its first call")
    keys: int = Field(10_000, gt=0, description="keys of one principal at once; further calls with a new key wait")
    size: int = Field(16 * MIB, gt=0, description="bytes of the answers kept for one principal; larger are not kept")


class HealthSettings(_Section):
    """Health and metrics endpoints: beside a stdio server, and over HTTP."""

    host: str = Field("127.0.0.1", description="address for the endpoints")
    port: int | None = Field(None, ge=0, le=65535, description="port for /health, /livez, /readyz, /metrics (off)")
    socket: bool = Field(True, description="answer holdfast status by a Unix socket in the state folder")
    token: SecretStr | None = Field(
        None, description="bearer token for /health and /metrics, over HTTP and beside stdio (without: see the docs)"
    )


class SecretSettings(_Section):
    """Encrypted settings and redaction."""

    keys: tuple[SecretStr, ...] = Field((), description="keys for enc: values, newest first (JSON list)")
    personal_data: bool = Field(False, description="redact e-mail addresses, phone and card numbers in answers too")


class WatchdogSettings(_Section):
    """When the watchdog acts."""

    enabled: bool = Field(True, description="watch the event loop, memory and everything else below")
    heartbeat: Seconds = Field(0.05, description="seconds between the loop's heartbeats")
    lag: Seconds = Field(0.1, description="seconds of loop lag that are reported, and shed for when they last")
    dump: Seconds = Field(5.0, description="seconds of a blocked loop after which all stacks are logged")
    interrupt: Seconds = Field(10.0, description="seconds of a blocked loop after which its call is interrupted")
    restart: Seconds = Field(13.0, description="seconds of a blocked loop after which only a new process helps")
    memory: int = Field(512 * MIB, gt=0, description="bytes of resident memory that count as the budget")
    memory_shrink: float = Field(0.70, gt=0, le=1, description="share of the budget from which caches are shrunk")
    memory_shed: float = Field(0.90, gt=0, le=1, description="share of the budget from which calls are shed")
    memory_retire: float = Field(0.95, gt=0, le=1, description="share of the budget from which the process is replaced")
    collect: Seconds = Field(60.0, description="seconds between two full collections under memory pressure")
    sample: Seconds = Field(1.0, description="seconds between two looks at memory and everything else")
    samples: int = Field(3, gt=0, le=100, description="looks in a row that must agree before anything is done")
    hysteresis: float = Field(0.05, ge=0, lt=1, description="share below a threshold at which it counts as left")
    errors: float = Field(0.5, gt=0, le=1, description="share of failed calls from which calls are shed")
    errors_least: int = Field(20, gt=0, description="calls in the window before the share of failed ones counts")
    errors_window: Seconds = Field(60.0, description="seconds over which failed calls are counted")
    descriptors: float = Field(0.8, gt=0, le=1, description="share of the process's descriptors that is alarming")
    descriptors_shed: float = Field(0.9, gt=0, le=1, description="share of them from which calls are shed")
    threads: int = Field(512, gt=0, description="threads that are alarming")
    tasks: int = Field(10_000, gt=0, description="tasks on the event loop that are alarming")
    disk: float = Field(0.10, ge=0, lt=1, description="free share of the disks of state and log that is alarming")
    disk_failed: float = Field(0.02, ge=0, lt=1, description="free share at which writing is about to fail")
    leak_window: Seconds = Field(600.0, description="seconds over which growth without an end counts as a leak")
    leak_memory: float = Field(0.10, gt=0, le=1, description="share of the budget that a leak of memory has grown by")
    leak_tasks: int = Field(200, gt=0, description="tasks that a leak of tasks has grown by")
    leak_descriptors: int = Field(64, gt=0, description="descriptors that a leak of descriptors has grown by")
    webhook: SecretStr | None = Field(None, description="http(s) URL to which alerts are posted as JSON (off)")

    @model_validator(mode="after")
    def _in_order(self) -> WatchdogSettings:
        for steps in _RISING:
            for lower, higher in pairwise(steps):
                if getattr(self, lower) >= getattr(self, higher):
                    names = [f"{ENV_PREFIX}WATCHDOG__{name.upper()}" for name in (lower, higher)]
                    raise PydanticCustomError(
                        "order", "{lower} must be less than {higher}", {"lower": names[0], "higher": names[1]}
                    )
        return self


_RISING = (
    ("heartbeat", "lag", "dump", "interrupt", "restart"),
    ("memory_shrink", "memory_shed", "memory_retire"),
    ("descriptors", "descriptors_shed"),
    ("disk_failed", "disk"),
)
"""Thresholds of the watchdog that make sense only one after the other."""


class RootSettings(_Section):
    """One named folder beside the workspace."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$", description="what tools call it")
    path: Path = Field(description="the folder")
    read_only: bool = Field(False, description="refuse every write to it")
    deny: tuple[str, ...] = Field((), description="names or paths hidden in it, besides dotfiles")
    max_read: int = Field(16 * MIB, gt=0, description="bytes of the largest file that is read")
    max_write: int = Field(16 * MIB, gt=0, description="bytes of the largest file that is written")
    one_mount: bool = Field(False, description="refuse what is mounted beneath it")


class Settings(_Section):
    """All settings. Build them with ``load`` so that each value can be traced to its layer.

    Nothing is read here: neither the environment nor a file. Defaults are taken as they are written; that they fit
    their own fields is held by a test.
    """

    workspace: Path | None = Field(None, description="folder beneath which tools may read and write")
    workspace_read_only: bool = Field(False, description="refuse every write to the workspace")
    workspace_deny: tuple[str, ...] = Field(
        (), description='names or paths hidden in the workspace, besides dotfiles, e.g. ["*.pem", "team/private"]'
    )
    roots: tuple[RootSettings, ...] = Field(
        (),
        description='named folders beside it (JSON object): {"docs": {"path": "/srv/docs", "read_only": true}}; '
        "also deny, max_read, max_write, one_mount",
    )
    supervise: bool = Field(
        True, description="holdfast run: replace a worker that is lost, without its clients noticing"
    )
    fast_path: bool = Field(True, description="answer common messages directly; off: all through the SDK")
    quotas: str | None = Field(
        None,
        description='JSON object of name or "*" -> {"calls": "1000/day", "cpu": "60 s/hour", "bytes": "10 MB/hour", '
        '"cost": "500/day"}, or a list of these, each with "tools", "resources" or "prompts" if not for all (off)',
    )
    database: SecretStr | None = Field(
        None, description="SQLite file, or SQLAlchemy URL of one or of PostgreSQL, that tools may query"
    )
    state: Path | None = Field(None, description="folder for durable state (default: the user's state folder)")
    limits: LimitSettings = LimitSettings.model_construct()
    teardown: Seconds = Field(
        10.0,
        description="seconds that the teardown of each lifespan gets; over stdio no more than what the drain left",
    )
    stdio: StdioSettings = StdioSettings.model_construct()
    http: HttpSettings = HttpSettings.model_construct()
    auth: AuthSettings = AuthSettings.model_construct()
    access: AccessSettings = AccessSettings.model_construct()
    urls: UrlSettings = UrlSettings.model_construct()
    log: LogSettings = LogSettings.model_construct()
    audit: AuditSettings = AuditSettings.model_construct()
    manifest: ManifestSettings = ManifestSettings.model_construct()
    idempotency: IdempotencySettings = IdempotencySettings.model_construct()
    health: HealthSettings = HealthSettings.model_construct()
    secrets: SecretSettings = SecretSettings.model_construct()
    watchdog: WatchdogSettings = WatchdogSettings.model_construct()

    @field_validator("quotas", mode="before")
    @classmethod
    def _keep_as_text(cls, value: Any) -> Any:
        return _as_text(value)

    @field_validator("roots", mode="before")
    @classmethod
    def _by_name(cls, value: Any) -> Any:
        """``{name: path}`` or ``{name: {...}}`` as a list with names, which nobody can change."""
        if not isinstance(value, dict):
            return value
        items = value.items()
        return tuple({**(item if isinstance(item, dict) else {"path": item}), "name": name} for name, item in items)

    @field_validator("roots")
    @classmethod
    def _named_once(cls, value: tuple[RootSettings, ...]) -> tuple[RootSettings, ...]:
        names = [root.name for root in value]
        if len(names) != len(set(names)) or "workspace" in names:
            raise PydanticCustomError("roots", "each root has a name of its own, and none is called workspace")
        return value
