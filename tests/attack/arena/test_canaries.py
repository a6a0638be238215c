"""Secrets are found in whatever spelling a server gives them, and nothing else is."""

from __future__ import annotations

import base64
import json
import os
import urllib.parse

import pytest

from holdfast_attack.arena.canaries import ENVIRONMENT, FILES, Canaries

CANARIES = Canaries.of(7)
SECRET = CANARIES.environment["API_TOKEN"]
PLAIN = SECRET.encode()

SPELLINGS = {
    "raw": PLAIN,
    "in a JSON text": json.dumps({"a": f"x{SECRET}y"}).encode(),
    "in JSON in JSON": json.dumps({"a": json.dumps({"b": SECRET})}).encode(),
    "reversed": PLAIN[::-1],
    "capitals": PLAIN.upper(),
    "hexadecimal": PLAIN.hex().encode(),
    "hexadecimal capitals": PLAIN.hex().upper().encode(),
    "percent": "".join(f"%{byte:02X}" for byte in PLAIN).encode(),
    "JSON escapes": "".join(f"\\u{byte:04X}" for byte in PLAIN).encode(),
    "Python escapes": "".join(f"\\x{byte:02x}" for byte in PLAIN).encode(),
    "HTML numbers": "".join(f"&#{byte};" for byte in PLAIN).encode(),
    "HTML hexadecimal": "".join(f"&#x{byte:X};" for byte in PLAIN).encode(),
    "UTF-16": SECRET.encode("utf-16-le"),
    "UTF-16 the other way": SECRET.encode("utf-16-be"),
    "UTF-16 as JSON writes it": json.dumps(SECRET.encode("utf-16-le").decode("latin-1")).encode(),
    "base64 of a line": base64.b64encode(b"GREETING=hello\nAPI_TOKEN=" + PLAIN + b"\nX=1"),
    "base64 in a URL": urllib.parse.quote(base64.urlsafe_b64encode(b"\xff\xfe" + PLAIN)).encode(),
}


@pytest.mark.parametrize("data", SPELLINGS.values(), ids=SPELLINGS.keys())
def test_a_secret_is_found_in_this_spelling(data: bytes) -> None:
    assert CANARIES.seen_in(b"before " + data + b" after") == ("API_TOKEN",)
    assert CANARIES.holds(data, SECRET)


@pytest.mark.parametrize("before", range(6))
@pytest.mark.parametrize("coder", [base64.b64encode, base64.urlsafe_b64encode])
def test_base64_is_found_at_any_offset_for_any_secret(before: int, coder: object) -> None:
    for name, secret in {**CANARIES.environment, **CANARIES.files}.items():
        data = coder(os.urandom(before) + secret.encode() + os.urandom(5))  # type: ignore[operator]
        assert name in CANARIES.seen_in(data)


def test_each_place_has_a_secret_of_its_own() -> None:
    secrets = [*CANARIES.environment.values(), *CANARIES.files.values(), CANARIES.row, CANARIES.argument(1)]
    assert len(set(secrets)) == len(ENVIRONMENT) + len(FILES) + 2
    assert all(len(secret) == 32 and secret.isalnum() for secret in secrets)


def test_the_same_seed_gives_the_same_secrets_and_another_seed_others() -> None:
    assert Canaries.of(7) == CANARIES
    assert not set(Canaries.of(8).environment.values()) & set(CANARIES.environment.values())


def test_all_that_stand_in_it_are_told() -> None:
    data = f"{CANARIES.files['outside']} {SECRET}".encode()
    assert CANARIES.seen_in(data) == ("API_TOKEN", "outside")


def test_what_holds_no_secret_or_a_part_of_one_is_not_told_of() -> None:
    for data in (b"", os.urandom(100_000), PLAIN[:-1], PLAIN[1:], b"hello from the attack arena"):
        assert CANARIES.seen_in(data) == ()
    assert not CANARIES.holds(b"x" * 1000, SECRET)


def test_a_secret_of_an_argument_is_found_by_itself_only() -> None:
    secret = CANARIES.argument("a case")
    assert CANARIES.seen_in(secret.encode()) == ()
    assert CANARIES.holds(base64.b64encode(secret.encode()), secret)
    assert secret != CANARIES.argument("another")
