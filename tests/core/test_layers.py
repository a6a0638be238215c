"""Layers: each value from the highest layer that sets it, with its origin; and no value in any message."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from holdfast.core.config import AuthSettings, LimitSettings, SecretSettings, Settings
from holdfast.core.layers import DEFAULT, Loaded, is_secret, keys, load
from holdfast.errors import ConfigurationError
from holdfast.safe.sealed import generate_key, seal

CANARY = "canaryvalue"


def environment(**values: str) -> dict[str, str]:
    return {f"HOLDFAST_{name}": value for name, value in values.items()}


def from_environment(**values: str) -> Settings:
    return load(environ=environment(**values)).settings


@pytest.fixture
def toml(tmp_path: Path) -> Any:
    def write(text: str) -> Path:
        file = tmp_path / "holdfast.toml"
        file.write_text(text)
        return file

    return write


def refused(**arguments: Any) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load(**{"environ": {}} | arguments)
    assert CANARY not in str(caught.value)
    return str(caught.value)


# -- the order -------------------------------------------------------------------------------------------------------


def layered(toml: Any, tmp_path: Path, top: int) -> Loaded:
    env_file = tmp_path / "some.env"
    env_file.write_text("HOLDFAST_LIMITS__QUEUE=2\n")
    layers: list[dict[str, Any]] = [
        {"file": toml("[limits]\nqueue = 1\n")},
        {"env_file": env_file},
        {"environ": environment(LIMITS__QUEUE="3")},
        {"overrides": {"limits.queue": 4}},
    ]
    chosen: dict[str, Any] = {"environ": {}}
    for layer in layers[:top]:
        chosen |= layer
    return load(chosen.pop("overrides", None), **chosen)


@pytest.mark.parametrize(
    "top, value, origin",
    [(0, 64, DEFAULT), (1, 1, "holdfast.toml"), (2, 2, "some.env"), (3, 3, "environment"), (4, 4, "override")],
)
def test_the_highest_layer_wins_and_is_named(toml: Any, tmp_path: Path, top: int, value: int, origin: str) -> None:
    loaded = layered(toml, tmp_path, top)
    assert loaded.settings.limits.queue == value
    assert loaded.origin("limits.queue") == origin
    assert loaded.origin("limits.timeout") == DEFAULT


def test_layers_are_merged_key_by_key(toml: Any) -> None:
    loaded = load(
        {"limits": {"cost": 2}},
        file=toml("[limits]\ntimeout = 1\nrate = '1/s'\n"),
        environ=environment(LIMITS__RATE="2/s", LIMITS='{"queue": 3}'),
    )
    limits = loaded.settings.limits
    assert (limits.timeout, limits.rate, limits.queue, limits.cost) == (1, "2/s", 3, 2)
    assert loaded.origins == {
        "limits.timeout": "holdfast.toml", "limits.rate": "environment", "limits.queue": "environment",
        "limits.cost": "override",
    }  # fmt: skip


def test_names_in_the_environment_are_read_in_any_case() -> None:
    assert load(environ={"holdfast_limits__queue": "5"}).settings.limits.queue == 5


def test_overrides_may_be_sections_models_or_dotted_keys_and_stay_as_they_were() -> None:
    overrides = {"limits": {"queue": 1}, "limits.timeout": 5, "auth": AuthSettings(required=True)}
    before = copy.deepcopy(overrides)
    settings = load(overrides, environ={}).settings
    assert (settings.limits.queue, settings.limits.timeout, settings.auth.required) == (1, 5, True)
    assert overrides == before


def test_a_model_as_override_sets_only_what_was_written_in_it() -> None:
    loaded = load({"limits": LimitSettings(queue=1)}, environ=environment(LIMITS__TIMEOUT="5"))
    assert (loaded.settings.limits.queue, loaded.settings.limits.timeout) == (1, 5)


def test_an_environment_file_counts_only_when_it_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("HOLDFAST_LIMITS__QUEUE=9\nOTHER=1\n")
    assert load(environ={}).settings.limits.queue == 64
    assert load(env_file=tmp_path / ".env", environ={}).settings.limits.queue == 9


def test_without_a_mapping_the_environment_of_the_process_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOLDFAST_LIMITS__QUEUE", "7")
    assert load().settings.limits.queue == 7


def test_a_value_in_an_environment_file_is_taken_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "some.env"
    file.write_text("HOLDFAST_AUTH__TOKENS=to${HOME}ken$x\n")
    tokens = load(env_file=file, environ={}).settings.auth.tokens
    assert tokens is not None
    assert tokens.get_secret_value() == "to${HOME}ken$x"


# -- lists -----------------------------------------------------------------------------------------------------------


def test_lists_in_the_environment_are_json() -> None:
    settings = from_environment(URLS__ALLOW='["127.0.0.1:8080"]', URLS__PORTS="[80, 8080]", AUTH__TOKENS='["a", "b"]')
    assert settings.urls.allow == ("127.0.0.1:8080",)
    assert settings.urls.ports == (80, 8080)
    assert settings.auth.tokens is not None
    assert settings.auth.tokens.get_secret_value() == '["a", "b"]'


@pytest.mark.parametrize("value", [CANARY, f"[{CANARY}", f'{{"{CANARY}": 1}}', "5"])
@pytest.mark.parametrize("name", ["URLS__ALLOW", "SECRETS__KEYS", "HTTP__ALLOWED_HOSTS"])
def test_a_list_that_is_not_json_is_refused_by_the_name_of_its_setting(name: str, value: str) -> None:
    told = refused(environ=environment(**{name: value}))
    assert f"HOLDFAST_{name.partition('__')[0]}" in told


# -- what is unknown or does not fit ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "environ, told",
    [
        ({"LIMITS__TIMEOUTS": CANARY}, "limits.timeouts (environment); the nearest known key is limits.timeout"),
        ({"LIMIT__TIMEOUT": CANARY}, "limit.timeout (environment); the nearest known key is limits.timeout"),
        ({"WORKSPACE__X": CANARY}, "workspace.x (environment); the nearest known key is workspace"),
        ({"WORKSPCE": CANARY}, "workspce (environment); the nearest known key is workspace"),
        ({"XQZJ": CANARY}, "xqzj (environment)"),
        ({"": CANARY}, " (environment)"),
        ({"LIMITS__": CANARY}, "limits. (environment)"),
        ({"LIMITS": '{"timeot": 5}'}, "limits.timeot (environment); the nearest known key is limits.timeout"),
        ({"LIMITS": "5"}, "limits (environment)"),
    ],
)  # fmt: skip
def test_an_unknown_variable_is_refused_with_the_nearest_known_key(environ: dict[str, str], told: str) -> None:
    assert refused(environ=environment(**environ)).startswith(f"unknown setting {told}")


@pytest.mark.parametrize(
    "text, told",
    [
        ("[limits]\ntimout = 5", "limits.timout (holdfast.toml); the nearest known key is limits.timeout"),
        ("[limit]\ntimeout = 5", "limit (holdfast.toml)"),
        ("[limits.deeper]\nx = 5", "limits.deeper (holdfast.toml)"),
        ("workspaces = 'x'", "workspaces (holdfast.toml); the nearest known key is workspace"),
        ("'a\\u001b[2Jb' = 1", ""),
    ],
)  # fmt: skip
def test_an_unknown_key_in_the_file_is_refused_at_every_level(toml: Any, text: str, told: str) -> None:
    if "\\u" in text:
        text = text.replace("'a", '"a').replace("b'", 'b"')
    message = refused(file=toml(text))
    assert message.startswith(f"unknown setting {told}")
    assert message.isprintable()


@pytest.mark.parametrize("overrides", [{"x.y": 1}, {"limits": 5}, {"limits": 5, "limits.queue": 1}, {5: 1}])
def test_an_unknown_override_is_refused(overrides: dict[Any, Any]) -> None:
    assert "unknown setting" in refused(overrides=overrides)


@pytest.mark.parametrize(
    "key, value",
    [
        ("limits.timeout", CANARY),
        ("limits.timeout", -1),
        ("limits.queue", {CANARY: 1}),
        ("limits.rate", CANARY),
        ("limits.rate", 5),
        ("limits.rate", {CANARY: 1}),
        ("limits.quota", CANARY),
        ("http.port", 99999),
        ("http.port", {CANARY: CANARY}),
        ("urls.ports", [CANARY, CANARY]),
        ("urls.allow", [[CANARY]]),
        ("log.level", CANARY),
        ("auth.required", CANARY),
        ("auth.tokens", 5.5),
        ("secrets.keys", [[CANARY]]),
        ("workspace", [CANARY]),
    ],
)
def test_a_value_that_does_not_fit_is_refused_by_its_names_and_not_repeated(key: str, value: Any) -> None:
    told = refused(overrides={key: value})
    assert told.startswith("settings do not fit: HOLDFAST_")
    assert f"HOLDFAST_{key.upper().replace('.', '__')} ({key})" in told


def test_files_that_cannot_be_read_are_named_without_their_content_or_folder(tmp_path: Path, toml: Any) -> None:
    assert refused(file=toml(f"[limits\n{CANARY}")) == "holdfast.toml cannot be read as TOML: TOMLDecodeError"
    bad = tmp_path / "bad.env"
    bad.write_bytes(b"HOLDFAST_DATABASE=\xff" + CANARY.encode())
    assert refused(env_file=bad) == "bad.env cannot be read: UnicodeDecodeError"
    bad.rename(tmp_path / "bad.toml")
    assert refused(file=tmp_path / "bad.toml") == "bad.toml cannot be read as TOML: UnicodeDecodeError"
    assert "FileNotFoundError" in refused(file=tmp_path / "none.toml")
    for missing in (tmp_path / "none.env", tmp_path):
        assert refused(env_file=missing) == f"the named environment file {missing.name} does not exist"


# -- secrets ---------------------------------------------------------------------------------------------------------


def token_of(**arguments: Any) -> str:
    tokens = load(**{"environ": {}} | arguments).settings.auth.tokens
    assert tokens is not None
    return tokens.get_secret_value()


@pytest.fixture
def secret_file(tmp_path: Path) -> str:
    file = tmp_path / "secret"
    file.write_text("token-from-file\n")
    file.chmod(0o600)
    return f"file:{file}"


def test_a_secret_is_read_from_its_file_whatever_layer_names_it(secret_file: str) -> None:
    assert token_of(environ=environment(AUTH__TOKENS=secret_file)) == "token-from-file"
    for overrides in (
        {"auth.tokens": secret_file},
        {"auth.tokens": SecretStr(secret_file)},
        {"auth": AuthSettings(tokens=secret_file)},
        Settings(auth=AuthSettings(tokens=secret_file)).model_dump(exclude_unset=True),
    ):
        assert token_of(overrides=overrides) == "token-from-file"


def test_a_sealed_secret_is_opened_with_the_keys_that_are_set(tmp_path: Path) -> None:
    key, other = generate_key(), generate_key()
    sealed = seal("token-sealed", [key])
    file = tmp_path / "key"
    file.write_text(key)
    file.chmod(0o600)
    for keys_ in ([key], (SecretStr(key),), [other, key], f"file:{file}", [f"file:{file}"]):
        assert token_of(overrides={"auth.tokens": sealed, "secrets.keys": keys_}) == "token-sealed"
    assert token_of(overrides={"auth.tokens": sealed, "secrets": SecretSettings(keys=(key,))}) == "token-sealed"


def test_a_secret_that_cannot_be_had_is_refused_and_never_taken_literally(tmp_path: Path) -> None:
    sealed = seal("token-sealed", [generate_key()])
    assert "need at least one key" in refused(overrides={"auth.tokens": sealed})
    wrong = {"auth.tokens": sealed, "secrets.keys": [generate_key()]}
    assert "does not open" in refused(overrides=wrong)
    assert "cannot be opened" in refused(overrides={"auth.tokens": f"file:{tmp_path / CANARY}"})


def test_secret_settings_are_known_as_such() -> None:
    secret = {"auth.tokens", "database", "health.token", "secrets.keys", "watchdog.webhook"}
    assert {key for key, info in keys().items() if is_secret(info)} == secret


# -- what is weaker than it need be ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "overrides",
    [
        {"audit.enabled": False},
        {"audit.fail_open": True},
        {"auth.required": False},
        {"auth.allow": ["10.0.0.1:443"]},
        {"auth.failures": 31},
        {"http.allowed_origins": ["https://app.example"]},
        {"urls.allow": ["127.0.0.1:80"]},
        {"urls.ports": [443, 8443]},
        {"urls.types": ["text/plain", "*/*"]},
        {"urls.max_bytes": 2**22},
        {"watchdog.enabled": False},
        {"limits.timeout": 31},
        {"limits.output": 2**21},
        {"limits.input": 2**21},
        {"limits.message": 2**23},
        {"limits.depth": 65},
        {"limits.elements": 100_001},
        {"urls.ports": [80, 8080]},
        {"urls.types": ["text/plain", "image/*"]},
        {"urls.types": ["*/*"]},
        {"urls.types": ["nonsense"]},
        {"urls.timeout": 11},
        {"urls.max_body": 2**21},
        {"manifest.on_change": "flag"},
    ],
    ids=str,
)
def test_each_weakening_is_told_by_its_key(overrides: dict[str, Any]) -> None:
    (line,) = load(overrides, environ={}).weakened()
    assert line.startswith(next(iter(overrides)))


def test_the_defaults_are_not_weak() -> None:
    assert load(environ={}).weakened() == []


def test_what_is_stricter_than_the_default_is_not_weak() -> None:
    stricter = {"urls.ports": [443], "urls.types": ["text/html", "application/LD+json", "*/*+json"], "limits.depth": 8}
    assert load(stricter, environ={}).weakened() == []
