"""The settings themselves: frozen, described, safe by default, and silent about secrets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from holdfast.core.config import AuthSettings, LimitSettings, SecretSettings, Settings, UrlSettings
from holdfast.core.layers import keys, load
from holdfast.core.reach import build_sandbox
from holdfast.errors import ConfigurationError
from holdfast.safe.policy import TEXT_TYPES

CANARY = "canarysecret"


def sections(settings: BaseModel) -> Iterator[BaseModel]:
    yield settings
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if isinstance(value, BaseModel):
            yield from sections(value)


def test_nothing_in_the_settings_can_be_changed() -> None:
    for section in sections(Settings()):
        for name in type(section).model_fields:
            with pytest.raises(ValidationError, match="frozen"):
                setattr(section, name, None)
            assert not isinstance(getattr(section, name), list | dict | set)


def test_every_setting_is_described_in_one_line() -> None:
    for key, field in keys().items():
        assert field.description, key
        assert "\n" not in field.description


def test_unknown_names_are_refused_in_every_section() -> None:
    for section in sections(Settings()):
        with pytest.raises(ValidationError, match="extra_forbidden"):
            type(section)(**{CANARY: 1})


def test_secrets_show_in_no_repr_and_no_dump() -> None:
    settings = Settings(auth=AuthSettings(tokens=CANARY), secrets=SecretSettings(keys=(CANARY,)))
    for shown in (repr(settings), str(settings), str(settings.model_dump()), settings.model_dump_json()):
        assert CANARY not in shown
    assert settings.auth.tokens is not None
    assert settings.auth.tokens.get_secret_value() == CANARY


def test_settings_read_neither_the_environment_nor_a_file_by_themselves(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOLDFAST_LIMITS__RATE", "9/s")
    (tmp_path / ".env").write_text("HOLDFAST_LIMITS__RATE=8/s\n")
    (tmp_path / "holdfast.toml").write_text("[limits]\nrate='7/s'\n")
    assert Settings().limits.rate == "100/minute"


@pytest.mark.parametrize(
    "section, values",
    [
        (LimitSettings, {"timeout": 0}),
        (LimitSettings, {"timeout": float("nan")}),
        (LimitSettings, {"rate": "often"}),
        (LimitSettings, {"rate": 5}),
        (LimitSettings, {"rate": {"x": 1}}),
        (LimitSettings, {"quota": "0/day"}),
        (LimitSettings, {"depth": 1000}),
        (UrlSettings, {"ports": (0,)}),
        (UrlSettings, {"ports": (65536,)}),
    ],
    ids=str,
)
def test_values_that_make_no_sense_are_refused(section: type[BaseModel], values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        section(**values)


@pytest.mark.parametrize(
    "given, lower, higher",
    [
        ({"heartbeat": 0.2}, "HEARTBEAT", "LAG"),
        ({"lag": 20}, "LAG", "DUMP"),
        ({"interrupt": 3}, "DUMP", "INTERRUPT"),
        ({"restart": 10}, "INTERRUPT", "RESTART"),
        ({"memory_shrink": 0.9}, "MEMORY_SHRINK", "MEMORY_SHED"),
        ({"memory_retire": 0.85}, "MEMORY_SHED", "MEMORY_RETIRE"),
        ({"descriptors": 0.95}, "DESCRIPTORS", "DESCRIPTORS_SHED"),
        ({"disk": 0.01}, "DISK_FAILED", "DISK"),
    ],
    ids=str,
)
def test_thresholds_of_the_watchdog_out_of_order_are_refused_by_name(
    given: dict[str, float], lower: str, higher: str
) -> None:
    said = f"HOLDFAST_WATCHDOG__{lower} must be less than HOLDFAST_WATCHDOG__{higher}"
    with pytest.raises(ConfigurationError, match=said):
        load({"watchdog": given}, environ={})


DURATIONS = [
    *("limits.shed_wait", "limits.stuck", "stdio.drain", "http.drain", "idempotency.lifetime", "teardown"),
    *(
        f"watchdog.{name}"
        for name in (
            *("heartbeat", "lag", "dump", "interrupt", "restart", "collect", "sample"),
            *("errors_window", "leak_window"),
        )
    ),
]
COUNTS = [
    *("limits.shed_queue", "limits.processes", "limits.memory", "idempotency.keys", "idempotency.size"),
    *(
        f"watchdog.{name}"
        for name in (
            *("memory", "memory_shrink", "memory_shed", "memory_retire", "samples", "hysteresis", "errors"),
            *("errors_least", "descriptors", "descriptors_shed", "threads", "tasks", "disk", "disk_failed"),
            *("leak_memory", "leak_tasks", "leak_descriptors"),
        )
    ),
]


@pytest.mark.parametrize(
    "key, value",
    [(key, value) for key in DURATIONS for value in ("-1", "nan", "inf", "1e18", "soon")]
    + [(key, value) for key in COUNTS for value in ("-1", "nan", "inf", "many")],
)
def test_what_no_timer_and_no_count_can_be_is_refused_by_name(key: str, value: str) -> None:
    name = f"HOLDFAST_{key.replace('.', '__').upper()}"
    with pytest.raises(ConfigurationError, match=name):
        load({}, environ={name: value})


@pytest.mark.parametrize(
    "given, text",
    [("token-1234", "token-1234"), (["a", "b"], '["a", "b"]'), ({"ada": "x"}, '{"ada": "x"}'), (None, None)],
)
def test_tokens_may_be_written_as_text_a_list_or_a_table(given: Any, text: str | None) -> None:
    tokens = AuthSettings(tokens=given).tokens
    assert (tokens.get_secret_value() if tokens else None) == text


def test_what_may_be_fetched_is_what_the_settings_say() -> None:
    given = {"hosts": ("*.example.org",), "deny": ("10.0.0.0/8", "evil.org"), "types": ("image/*",), "max_body": 5}
    policy = build_sandbox(load({"urls": {**given, "max_bytes": 7, "timeout": 2}}, environ={})).urls
    assert policy is not None
    assert (policy.hosts, policy.deny_hosts, policy.types) == (
        {"*.example.org"},
        {"evil.org", "10.0.0.0/8"},
        {"image/*"},
    )
    assert (policy.max_body, policy.max_bytes, policy.timeout) == (5, 7, 2)
    assert policy.denies_address("10.1.2.3")
    plain = build_sandbox(load({}, environ={})).urls
    assert plain is not None
    assert (plain.hosts, plain.deny_hosts, plain.types) == (frozenset(), frozenset(), TEXT_TYPES)
    for wrong in ({"hosts": ("a b",)}, {"deny": ("http://x",)}, {"types": ("png",)}):
        with pytest.raises(ConfigurationError):
            build_sandbox(load({"urls": wrong}, environ={}))
