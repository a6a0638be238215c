"""Every secret of the settings is named once: alone, in lists, as JSON, sealed, from a file, in an address."""

from __future__ import annotations

from pathlib import Path

from holdfast.core.layers import load
from holdfast.core.secretsettings import secret_settings
from holdfast.safe.sealed import generate_key, seal


def found(**settings: object) -> dict[str, str]:
    flat = {key.replace("__", "."): value for key, value in settings.items()}
    return dict(secret_settings(load(flat, environ={}).settings))


def test_tokens_are_found_in_each_of_their_forms() -> None:
    assert found(auth__tokens="token-one-of-one") == {"auth.tokens": "token-one-of-one"}
    as_list = found(auth__tokens='["token-one", "token-two"]')
    assert set(as_list.values()) == {"token-one", "token-two"}
    named = found(auth__tokens='{"a": "token-one", "b": {"token": "token-two", "scopes": ["reading"]}}')
    assert set(named.values()) == {"token-one", "token-two"}
    assert {"token-one", "token-two"} <= set(found(auth__tokens="token-one, token-two").values())
    assert found(auth__tokens="{not json at all") == {"auth.tokens": "{not json at all"}


def test_what_stands_beside_a_token_and_what_is_hashed_is_no_secret() -> None:
    times = '"expires": "2027-01-31", "not_before": "2026-01-31"'
    entry = f'{{"token": "token-one", "scopes": ["reading"], {times}, "id": "k-123456"}}'
    hashed = "sha256:" + "0" * 64
    assert set(found(auth__tokens=f'{{"a": [{entry}, "{hashed}"]}}').values()) == {"token-one"}


def test_sealed_values_files_and_keys_are_found_in_the_clear(tmp_path: Path) -> None:
    key = generate_key()
    file = tmp_path / "token"
    file.write_text("token-from-a-file\n")
    file.chmod(0o600)
    assert (
        "token-that-was-sealed"
        in found(secrets__keys=[key], auth__tokens=seal("token-that-was-sealed", [key])).values()
    )
    assert key in found(secrets__keys=[key]).values()
    assert "token-from-a-file" in found(auth__tokens=f"file:{file}").values()


def test_the_password_in_a_databases_address_is_found() -> None:
    assert set(found(database="postgresql://user:p%40ssw0rd-x@db/x").values()) == {"p%40ssw0rd-x", "p@ssw0rd-x"}
    assert found(database="postgresql://[bad") == {}
    assert found(database="local.db") == {}
