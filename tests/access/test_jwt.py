"""Signed tokens: the good ones are their subjects', and nothing that was forged, altered or meant for others is."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.issuing import (
    ISSUER,
    NOW,
    RESOURCE,
    b64,
    claims,
    ec_key,
    ed_key,
    handmade,
    jwk,
    key_set,
    pem,
    rsa_key,
    signed,
    usual_keys,
)

from holdfast.access.jwks import read_keys
from holdfast.access.jwt import (
    MAX_AUDIENCES,
    MAX_SCOPES,
    MAX_TEXT,
    MAX_TOKEN,
    Expected,
    Rejected,
    UnknownKey,
    _time,
    verify,
)

ALGORITHMS = frozenset({"RS256", "PS256", "ES256", "EdDSA"})
WANTED = Expected(ISSUER, frozenset({RESOURCE, "api://mcp"}), ALGORITHMS)


def judge(token: str, *, keys: str | None = None, wanted: Expected = WANTED, now: float = NOW) -> Any:
    return verify(token, read_keys((keys or usual_keys()).encode()), wanted, now)


def reason(token: str, **how: Any) -> str:
    with pytest.raises(Rejected) as rejected:
        judge(token, **how)
    return rejected.value.reason


@pytest.mark.parametrize(
    "key, alg, kid", [("rsa", "RS256", "rsa"), ("rsa", "PS256", "rsa"), ("ec", "ES256", "ec"), ("ed", "EdDSA", "ed")]
)
def test_a_good_token_is_its_subjects_with_its_scopes_until_its_end(key: str, alg: str, kid: str) -> None:
    private = {"rsa": rsa_key, "ec": ec_key, "ed": ed_key}[key]()
    found = judge(signed(key=private, alg=alg, kid=kid))
    assert (found.principal.name, found.principal.scopes) == ("jwt:ada", {"read", "write"})
    assert found.ends == NOW + 300


def test_a_token_without_a_key_name_is_checked_by_the_only_key_that_fits() -> None:
    assert judge(signed(key=ec_key(), alg="ES256", kid=None)).principal.name == "jwt:ada"
    two = key_set(jwk(rsa_key(), kid="a"), jwk(rsa_key(1), kid="b"))
    assert reason(signed(kid=None), keys=two) == "key", "which of two was meant is not for the sender to leave open"


# -- algorithms --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE", "", " none", "none\0", None, 0, [], ["RS256"], {}])
@pytest.mark.parametrize("signature", [b"", b"x"])
def test_a_token_without_a_signature_is_no_token(alg: Any, signature: bytes) -> None:
    token = handmade({"alg": alg, "typ": "JWT", "kid": "rsa"}, claims(), signature)
    assert reason(token) in ("algorithm", "malformed")


def test_an_algorithm_has_to_be_named() -> None:
    assert reason(handmade({"typ": "JWT", "kid": "rsa"}, claims(), b"x")) == "algorithm"


@pytest.mark.parametrize("alg", ["HS256", "HS384", "HS512"])
@pytest.mark.parametrize("form", ["pem", "pem without newline", "jwk", "set", "n", "der"])
def test_a_public_key_is_no_secret_to_sign_with(alg: str, form: str) -> None:
    public = jwk(rsa_key(), kid="rsa", use="sig")
    known = {
        "pem": pem(rsa_key()),
        "pem without newline": pem(rsa_key()).strip(),
        "jwk": json.dumps(public).encode(),
        "set": usual_keys().encode(),
        "n": public["n"].encode(),
        "der": b"".join(pem(rsa_key()).splitlines()[1:-1]),
    }[form]
    digest = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}[alg]
    unsigned = f"{b64({'alg': alg, 'kid': 'rsa'})}.{b64(claims())}"
    token = f"{unsigned}.{b64(hmac.new(known, unsigned.encode(), digest).digest())}"
    assert reason(token) == "algorithm"
    # nor where the operator's list could be talked into it: no key of the set fits a symmetric algorithm
    loose = Expected(ISSUER, frozenset({RESOURCE}), ALGORITHMS | {alg})
    assert reason(token, wanted=loose) == "key"


@pytest.mark.parametrize(
    "alg, kid", [("RS256", "ec"), ("RS256", "ed"), ("ES256", "rsa"), ("ES256", "ed"), ("EdDSA", "ec"), ("PS256", "ec")]
)
def test_a_key_checks_only_what_fits_its_type(alg: str, kid: str) -> None:
    key = {"RS256": rsa_key, "PS256": rsa_key, "ES256": ec_key, "EdDSA": ed_key}[alg]()
    assert reason(signed(key=key, alg=alg, kid=kid)) == "key"


def test_a_key_checks_only_what_it_is_for() -> None:
    token = signed(alg="PS256")
    assert judge(token, keys=key_set(jwk(rsa_key(), kid="rsa", alg="PS256")))
    assert reason(token, keys=key_set(jwk(rsa_key(), kid="rsa", alg="RS256"))) == "key"


def test_what_the_operator_did_not_list_is_not_taken() -> None:
    only = Expected(ISSUER, frozenset({RESOURCE}), frozenset({"ES256"}))
    assert reason(signed(), wanted=only) == "algorithm"
    assert reason(signed(alg="RS384")) == "algorithm"


# -- signatures --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "signature", [bytes(64), bytes(63) + b"\1", b"\0" * 31 + b"\1" + bytes(32), b"\xff" * 64, bytes(8), bytes(128)]
)
def test_cve_2022_21449_a_psychic_signature_signs_nothing(signature: bytes) -> None:
    """The record: a verifier of ES256 that does not check that r and s lie between 1 and n-1 takes r = s = 0."""
    assert reason(handmade({"alg": "ES256", "kid": "ec"}, claims(), signature)) == "signature"


@pytest.mark.parametrize(
    "other", [lambda: signed(key=rsa_key(1)), lambda: signed(key=ec_key(1), alg="ES256", kid="ec")], ids=["rsa", "ec"]
)
def test_anothers_signature_is_not_the_issuers(other: Any) -> None:
    assert reason(other()) == "signature"


@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_a_token_that_was_altered_anywhere_is_none(data: st.DataObject) -> None:
    token = signed(key=ed_key(), alg="EdDSA", kid="ed")
    at = data.draw(st.integers(0, len(token) - 1))
    by = data.draw(st.sampled_from("ABCxyz019-_.=+/ \n\0é"))
    changed = token[:at] + by + token[at + 1 :]
    if changed != token:
        with pytest.raises(Rejected):
            judge(changed)


@pytest.mark.parametrize("cut", ["", ".", "..", "a.b", "a.b.c.d", "a..c", ".b.c", "a.b.", "a.b.c\n", " a.b.c"])
def test_what_has_not_three_parts_is_no_token(cut: str) -> None:
    assert reason(cut) == "malformed"


def test_a_token_has_one_spelling() -> None:
    head, body, signature = signed().split(".")
    padded = f"{head}.{body}.{signature}=="
    assert reason(padded) == "malformed"
    last = signature[-1]
    twin = next(c for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" if c != last)
    assert reason(f"{head}.{body}.{signature[:-1]}{twin}") in ("malformed", "signature")
    assert reason(f"{head}.{body}.{signature[:-1]}") in ("malformed", "signature")
    same = base64.urlsafe_b64decode(f"{signature}==")
    others = (f"{signature[:-1]}{c}" for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
    twins = [other for other in others if other != signature and base64.urlsafe_b64decode(f"{other}==") == same]
    assert twins, "the last character holds bits that say nothing"
    assert {reason(f"{head}.{body}.{twin}") for twin in twins} == {"malformed"}


def test_a_huge_token_is_refused_unread_and_so_is_deep_json() -> None:
    assert reason(signed(claims(pad="x" * MAX_TOKEN))) == "too_large"
    assert reason("a" * 10_000_000) == "too_large"
    assert reason("a" * (MAX_TOKEN + 1)) == "too_large"
    assert reason("a" * MAX_TOKEN) == "malformed", "it was read"
    deep = '{"alg":"RS256","x":' + "[" * 100 + "]" * 100 + "}"
    assert reason(handmade(deep, claims(), b"x")) == "malformed"
    assert reason(handmade('{"alg":"RS256","x":' + "9" * 1_000 + "}", claims(), b"x")) == "malformed"


# -- headers -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "header",
    [
        {"jwk": {"kty": "oct", "k": "AA"}},
        {"jku": "https://evil.example/keys"},
        {"x5u": "https://evil.example/cert"},
        {"x5c": ["MIIB"]},
        {"crit": ["exp"]},
        {"crit": []},
        {"b64": False, "crit": ["b64"]},
        {"zip": "DEF"},
        {"enc": "A128GCM"},
    ],
    ids=lambda header: next(iter(header)),
)
def test_a_header_that_brings_a_key_or_changes_the_rules_is_refused(header: dict[str, Any]) -> None:
    unsigned = f"{b64({'alg': 'RS256', 'kid': 'rsa', **header})}.{b64(claims())}"
    assert reason(f"{unsigned}.AAAA") == "header"


def test_an_embedded_key_signs_nothing() -> None:
    own = signed(key=rsa_key(1), jwk=jwk(rsa_key(1)))
    assert reason(own) == "header"
    assert reason(signed(key=rsa_key(1), kid="evil")) == "key"


@pytest.mark.parametrize(
    "kid",
    ["../../../../dev/null", "/dev/null", "rsa\0", "rsa' OR '1'='1", "rsa;sleep 9", "RSA", "", "x" * 5_000, "café"],
)
def test_a_key_name_is_only_ever_compared(kid: str) -> None:
    assert reason(handmade({"alg": "RS256", "kid": kid}, claims(), b"x")) == "key"


@pytest.mark.parametrize(
    "kid, taken", [("k", True), ("k" * MAX_TEXT, True), ("", False), ("k" * (MAX_TEXT + 1), False)]
)
def test_a_key_name_has_a_length(kid: str, taken: bool) -> None:
    token, keys = signed(key=ec_key(), alg="ES256", kid=kid), key_set(jwk(ec_key(), kid=kid))
    assert judge(token, keys=keys) if taken else reason(token, keys=keys) == "key"


@pytest.mark.parametrize("kid", [0, None, ["rsa"], {"rsa": 1}, True])
def test_a_key_name_is_a_string(kid: Any) -> None:
    assert reason(handmade({"alg": "RS256", "kid": kid}, claims(), b"x")) in ("key", "signature")


@pytest.mark.parametrize(
    "header",
    ['{"alg":"none","alg":"RS256"}', '{"alg":"RS256","kid":"rsa","kid":"rsa"}', '{"alg":"RS256","\\u0061lg":"none"}'],
)
def test_a_name_that_stands_twice_in_a_header_is_refused(header: str) -> None:
    assert reason(handmade(header, claims(), b"x")) == "malformed"


@pytest.mark.parametrize(
    "kind, taken",
    [
        ("JWT", True), ("jwt", True), ("at+jwt", True), ("AT+JWT", True), ("application/at+jwt", True),
        ("dpop+jwt", False), ("logout+jwt", False), ("secevent+jwt", False), ("", False), (5, False),
        (None, False),
    ],
)  # fmt: skip
def test_a_token_of_another_kind_is_not_an_access_token(kind: Any, taken: bool) -> None:
    token = signed(key=ed_key(), alg="EdDSA", kid="ed", typ=kind) if isinstance(kind, str) and kind else None
    token = token or handmade({"alg": "EdDSA", "kid": "ed", "typ": kind}, claims(), b"x")
    assert judge(token) if taken else reason(token) == "type"


def test_only_access_tokens_are_taken_where_the_operator_says_so() -> None:
    strict = Expected(ISSUER, frozenset({RESOURCE}), ALGORITHMS, access_only=True)
    assert reason(signed(), wanted=strict) == "type"
    assert judge(signed(typ="at+jwt"), wanted=strict)


# -- claims ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changed, why",
    [
        ({"exp": NOW}, "expired"),
        ({"exp": NOW - 1}, "expired"),
        ({"exp": None}, "claims"),
        ({"exp": "2099-01-01"}, "claims"),
        ({"exp": True}, "claims"),
        ({"exp": [NOW + 9]}, "claims"),
        ({"nbf": NOW + 31}, "not_yet"),
        ({"iat": NOW + 31}, "not_yet"),
        ({"nbf": "soon"}, "claims"),
        ({"iss": None}, "issuer"),
        ({"iss": f"{ISSUER}/"}, "issuer"),
        ({"iss": ISSUER.upper()}, "issuer"),
        ({"iss": [ISSUER]}, "issuer"),
        ({"iss": "https://evil.example"}, "issuer"),
        ({"aud": None}, "audience"),
        ({"aud": ""}, "audience"),
        ({"aud": []}, "audience"),
        ({"aud": f"{RESOURCE}/"}, "audience"),
        ({"aud": RESOURCE[:-1]}, "audience"),
        ({"aud": "https://other.example/mcp"}, "audience"),
        ({"aud": ["https://other.example/mcp", 5]}, "audience"),
        ({"aud": [RESOURCE, 5]}, "audience"),
        ({"aud": [RESOURCE, {}]}, "audience"),
        ({"aud": {RESOURCE: 1}}, "audience"),
        ({"aud": [RESOURCE] * (MAX_AUDIENCES + 1)}, "audience"),
        ({"sub": None}, "claims"),
        ({"sub": ""}, "claims"),
        ({"sub": 7}, "claims"),
        ({"sub": "x" * (MAX_TEXT + 1)}, "claims"),
        ({"scope": 7}, "claims"),
        ({"scope": ["a", 7]}, "claims"),
        ({"scope": " ".join(map(str, range(MAX_SCOPES + 1)))}, "claims"),
        ({"cnf": {"jkt": "x"}}, "claims"),
    ],
    ids=str,
)
def test_a_claim_that_does_not_hold_is_refused_although_the_signature_does(changed: dict[str, Any], why: str) -> None:
    assert reason(sign_raw(json.dumps(claims(**changed)))) == why


@pytest.mark.parametrize(
    "changed",
    [
        {"nbf": NOW + 29}, {"iat": NOW + 30}, {"nbf": 0}, {"exp": NOW + 0.5}, {"aud": ["x", RESOURCE]},
        {"aud": [RESOURCE] * MAX_AUDIENCES}, {"sub": "x" * MAX_TEXT}, {"scope": ["x"] * MAX_SCOPES},
    ],
)  # fmt: skip
def test_clocks_may_differ_a_little_and_a_token_may_be_for_several(changed: dict[str, Any]) -> None:
    assert judge(signed(claims(**changed), key=ed_key(), alg="EdDSA", kid="ed"))


@pytest.mark.parametrize("ends", ["1e999", "-1e999", "Infinity", "NaN", "1" + "0" * 400])
def test_a_token_ends_at_a_moment_that_there_is(ends: str) -> None:
    body = json.dumps(claims()).replace(str(NOW + 300), ends)
    assert ends in body
    assert reason(sign_raw(body)) == "malformed"


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_a_time_is_a_moment_also_where_a_number_that_is_none_was_read(value: float) -> None:
    with pytest.raises(Rejected) as rejected:
        _time({"exp": value}, "exp")
    assert rejected.value.reason == "claims"


def test_claims_that_stand_twice_are_refused() -> None:
    body = json.dumps(claims())[:-1] + ', "aud": "https://other.example"}'
    assert reason(sign_raw(body)) == "malformed"
    assert judge(sign_raw(json.dumps(claims())))
    for body in ("[]", '"x"', "5", "null", "{", json.dumps(claims())[:-1] + ', "x": NaN}', "\ufeff{}"):
        assert reason(sign_raw(body)) == "malformed"


def sign_raw(body: str) -> str:
    """A payload as it is, under a good signature."""
    unsigned = f"{b64({'alg': 'EdDSA', 'kid': 'ed'})}.{b64(body)}"
    return f"{unsigned}.{b64(ed_key().sign(unsigned.encode()))}"


@pytest.mark.parametrize(
    "said, scopes",
    [
        ({"scope": "read"}, {"read"}),
        ({"scope": " read  write "}, {"read", "write"}),
        ({"scope": ["read", "write"]}, {"read", "write"}),
        ({"scope": None, "scp": "read"}, {"read"}),
        ({"scope": None, "scp": ["a:b", "c"]}, {"a:b", "c"}),
        ({"scope": "read", "scp": ["admin"]}, {"read"}),
        ({"scope": None}, set()),
        ({"scope": "* read"}, {"read"}),
        ({"scope": ["*", "a b", 'q"', "é"]}, set()),
    ],
)
def test_scopes_are_read_strictly_and_never_mean_everything(said: dict[str, Any], scopes: set[str]) -> None:
    assert judge(signed(claims(**said), key=ed_key(), alg="EdDSA", kid="ed")).principal.scopes == scopes


@pytest.mark.parametrize("subject", ["ada", "auth0|5f7c", "ada@example.org", "00u1-b_c.d", "a" * 59])
def test_a_plain_subject_can_be_read_in_the_log(subject: str) -> None:
    assert judge(signed(claims(sub=subject), key=ed_key(), alg="EdDSA", kid="ed")).principal.name == f"jwt:{subject}"


def test_no_two_subjects_share_a_name_and_none_disturbs_a_log() -> None:
    subjects = ["a b", "a\nb", "\x1b[2J", "~x", "é", "e\u0301", "a" * 60, "a" * 61, "\u202e", " ada", "ada ", "jwt:ada"]
    names = [judge(signed(claims(sub=s), key=ed_key(), alg="EdDSA", kid="ed")).principal.name for s in subjects]
    assert len(set(names)) == len(names)
    for name in names:
        assert name.isprintable()
        assert name.isascii()
        assert len(name) <= 64


def test_a_key_that_is_not_there_is_told_apart_from_a_bad_signature() -> None:
    with pytest.raises(UnknownKey):
        judge(signed(kid="newer"))
