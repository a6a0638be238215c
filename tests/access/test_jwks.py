"""Key sets: what can check signatures is taken, each key for what fits it; the rest is left out or refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support.issuing import b64, ec_key, ed_key, jwk, key_set, rsa_key

from holdfast.access.jwks import MAX_BYTES, MAX_KEYS, MAX_RSA, MIN_RSA, read_keys
from holdfast.errors import ConfigurationError

RSA = jwk(rsa_key(), kid="rsa")


def test_each_type_checks_what_fits_it() -> None:
    keys = read_keys(key_set(RSA, jwk(ec_key(), kid="ec"), jwk(ed_key(), kid="ed")).encode())
    assert len(keys) == 3
    for kid, fits in (("rsa", {"RS256", "PS512"}), ("ec", {"ES256"}), ("ed", {"EdDSA"})):
        for algorithm in ("RS256", "PS512", "ES256", "ES384", "EdDSA", "HS256", "none"):
            assert (keys.find(kid, algorithm) is not None) == (algorithm in fits)
    assert keys.find("nobody", "RS256") is None
    assert keys.find(None, "RS256") is not None


@pytest.mark.parametrize(
    "key",
    [
        {"kty": "oct", "k": "c2VjcmV0", "kid": "rsa", "alg": "HS256"},
        {**RSA, "use": "enc"},
        {**RSA, "use": 5},
        {**RSA, "key_ops": ["encrypt"]},
        {**RSA, "key_ops": "verify"},
        {**RSA, "alg": "RSA-OAEP"},
        {**RSA, "alg": "none"},
        {**RSA, "alg": ["RS256"]},
        {**RSA, "kid": 5},
        {**RSA, "kty": "EC"},
        {**RSA, "kty": ["RSA"]},
        {**RSA, "n": 5},
        {**RSA, "n": [RSA["n"]]},
        {**RSA, "e": {"e": "AQAB"}},
        {**RSA, "e": True},
        {**RSA, "n": ""},
        {**RSA, "n": "!!"},
        {**RSA, "e": "AQ"},
        {"kty": "RSA", "kid": "rsa"},
        {**jwk(ec_key(), kid="ec"), "crv": "P-384"},
        {**jwk(ec_key(), kid="ec"), "crv": "secp256k1"},
        {**jwk(ec_key(), kid="ec"), "crv": {}},
        {**jwk(ec_key(), kid="ec"), "x": "AAAA"},
        {**jwk(ed_key(), kid="ed"), "x": "AAAA"},
        {**jwk(ed_key(), kid="ed"), "crv": "X25519"},
        jwk(rsa_key(5, 1024), kid="weak"),
        "key",
        None,
    ],
)
def test_a_key_that_cannot_check_signatures_is_left_out(key: Any) -> None:
    with pytest.raises(ConfigurationError, match="no key of the key set"):
        read_keys(json.dumps({"keys": [key]}).encode())
    assert len(read_keys(json.dumps({"keys": [key, jwk(ec_key(1), kid="good")]}).encode())) == 1


def test_a_key_without_a_name_answers_to_none() -> None:
    keys = read_keys(key_set(jwk(ec_key())).encode())
    assert keys.find(None, "ES256") is not None
    assert keys.find("ec", "ES256") is None


def test_a_key_set_may_be_as_large_as_is_said() -> None:
    assert len(read_keys(key_set(*[RSA] * MAX_KEYS).encode())) == MAX_KEYS


@pytest.mark.parametrize("bits, taken", [(MAX_RSA, True), (MAX_RSA + 1, False), (MIN_RSA, True), (MIN_RSA - 1, False)])
def test_an_rsa_key_has_so_many_bits(bits: int, taken: bool) -> None:
    number = (1 << (bits - 1) | 1).to_bytes((bits + 7) // 8, "big")
    keys = read_keys(key_set(jwk(ec_key()), {"kty": "RSA", "e": "AQAB", "n": b64(number)}).encode())
    assert (keys.find(None, "RS256") is not None) is taken


def test_of_a_private_key_only_the_public_part_is_kept() -> None:
    from jwt.algorithms import RSAAlgorithm

    private = RSAAlgorithm.to_jwk(rsa_key(), as_dict=True) | {"kid": "rsa", "key_ops": ["verify"]}
    found = read_keys(json.dumps({"keys": [private]}).encode()).find("rsa", "RS256")
    assert found is not None
    assert not hasattr(found.public, "sign")
    assert "public" not in repr(found)


def test_two_keys_of_one_name_are_nobodys() -> None:
    keys = read_keys(key_set(RSA, jwk(rsa_key(1), kid="rsa"), jwk(ec_key(), kid="rsa")).encode())
    assert keys.find("rsa", "RS256") is None
    assert keys.find("rsa", "ES256") is not None, "but of one type there is only one"


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"{", b"[]", b"null", b'{"keys": {}}', b'{"keys": "x"}', b'{"Keys": []}', b'{"keys": []}',
        b'{"keys": [], "keys": []}', b"\xff", b" " * (MAX_BYTES + 1), key_set(*[RSA] * (MAX_KEYS + 1)).encode(),
        b'{"keys": ' + b"[" * 100_000,
    ],
)  # fmt: skip
def test_what_is_no_key_set_is_refused_without_repeating_it(raw: bytes) -> None:
    with pytest.raises(ConfigurationError) as refused:
        read_keys(raw)
    assert RSA["n"] not in str(refused.value)
