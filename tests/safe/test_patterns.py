"""The rules by form: what each takes out, and the ordinary text that none of them touches."""

from __future__ import annotations

import random
import string
import sys
import time
from typing import Any

import pytest

from holdfast.errors import ConfigurationError
from holdfast.safe import patterns
from holdfast.safe.patterns import Rule, found, found_in
from holdfast.safe.personal import PERSONAL
from holdfast.safe.rules import RULES
from holdfast.safe.secrets import SecretRegistry

RANDOM = random.Random(7)


def some(length: int, alphabet: str = string.ascii_letters + string.digits) -> str:
    return "".join(RANDOM.choices(alphabet, k=length))


BODY = "\n".join(some(64) for _ in range(6))
PEM = (
    "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,AB\n\n"
    f"{BODY}\n-----END RSA PRIVATE KEY-----"
)
KEY = next(rule for rule in RULES if rule.keywords == ("-----BEGIN ",))
JWT = f"eyJ{some(33)}.eyJ{some(60)}.{some(43)}"

LEAKS = [
    ("aws-access-key", "AKIA" + some(16, "ABCDEFGH234567"), None),
    ("github-token", "ghp_" + some(36), None),
    ("github-token", "ghs_" + some(36), None),
    ("github-token", "github_pat_" + some(22) + "_" + some(59), None),
    ("gitlab-token", "glpat-" + some(20), None),
    ("slack-token", "xoxb-" + some(11, string.digits) + "-" + some(24), None),
    ("slack-token", "xapp-1-" + some(11) + "-" + some(20), None),
    ("slack-webhook", "T" + some(8) + "/B" + some(8) + "/" + some(24), "https://hooks.slack.com/services/{}"),
    ("stripe-key", "sk_live_" + some(24), None),
    ("stripe-key", "whsec_" + some(32), None),
    ("google-key", "AIza" + some(35), None),
    ("google-oauth", "ya29." + some(60), None),
    ("google-oauth", "GOCSPX-" + some(28), None),
    ("anthropic-key", "sk-ant-api03-" + some(93), None),
    ("openai-key", "sk-" + some(48), None),
    ("openai-key", "sk-proj-" + some(40) + "_" + some(20), None),
    ("huggingface-token", "hf_" + some(34, string.ascii_letters), None),
    ("npm-token", "npm_" + some(36), None),
    ("pypi-token", "pypi-AgEIcHlwaS5vcmc" + some(60), None),
    ("jwt", JWT, None),
    ("private-key", PEM, None),
    ("private-key", PEM.replace("\n", "\\n"), '{{"key":"{}"}}'),
    ("private-key", PEM.replace("RSA ", "").rpartition("\n")[0].replace("Proc-Type", "Comment"), None),
    (
        "private-key",
        "-----BEGIN PGP PRIVATE KEY BLOCK-----\nVersion: 1\n\n" + BODY + "\n-----END PGP PRIVATE KEY BLOCK-----",
        None,
    ),
    ("authorization", some(30), "Authorization: Bearer {}"),
    ("authorization", "dXNlcjpwYXNz", "'authorization': 'Basic {}'"),
    ("authorization", some(20), '{{\\"Authorization\\": \\"{}\\"}}'),
    ("bearer-token", some(24), "uses bearer {} for it"),
    ("url-password", "p%40ss:word", "postgres://user:{}@db.internal:5432/x"),
    ("url-password", "hunter", "redis://:{}@host"),
    ("password", "hunter2", "password={}"),
    ("password", "hunter2", "DB_PASSWORD = {}"),
    ("password", "correct horse battery", '{{"password": "{}"}}'),
    ("password", "corr ect'horse", '{{\\"passwd\\": \\"{}\\"}}'),
    ("password", "s3cr3t!x", "pwd: {}"),
    ("password", "pässword1", "Passphrase: {}"),
    ("credential", "a1b2c3d4e5", "client_secret={}"),
    ("credential", some(40), "aws_secret_access_key = {}"),
    ("credential", some(20), "api_key: '{}'"),
    ("credential", some(20), "X-Api-Key: {}"),
    ("credential", some(20), "apiKey => {}"),
    ("credential", some(20), "&access_token={}&x=1"),
]


@pytest.mark.parametrize("rule, secret, template", LEAKS)
@pytest.mark.parametrize("before, after", [("", ""), ("see ", ", then go on"), ("schön:\n", "\nüber")])
def test_each_form_is_taken_out_and_what_stands_around_it_stays(
    rule: str, secret: str, template: str | None, before: str, after: str
) -> None:
    text = before + (template or "{}").format(secret) + after
    redacted = SecretRegistry().redact(text)
    assert rule in redacted.hits
    assert secret not in redacted.text
    assert redacted.text.startswith(before)
    assert redacted.text.endswith(after)
    assert SecretRegistry().redact(redacted.text).text == redacted.text


@pytest.mark.parametrize(
    "text",
    [
        "The password must be changed every 90 days.",
        "password: required",
        "password: string",
        "password=<your password>",
        "password=${PASSWORD}",
        "secret: true, api_key: None",
        "a task-force of risk-takers, sk-learn and sk-folding-cube-container-wrapper",
        "https://example.org:8080/a@b?c=d",
        "mailto:user@example.org http://a/b:c",
        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
        "-----BEGIN PUBLIC KEY-----",
        "eyJ is how a JSON object begins in base64; eyJhbGci.short",
        "xAKIAABCDEFGH23456723 is inside another word",
        "my_AKIAABCDEFGH23456723 is a longer name",
        "AKIAabcdefgh23456723 has small letters",
        "redis://:[redacted:another-server]@host",
        "The bearer of this letter, Authorization: none",
        "npm_config_cache, hf_hub, ghp_short, AIzaShort",
        "max_tokens=100000 token_type=bearer",
        "Das Geheimnis: Straße, Größe",
    ],
)
def test_ordinary_text_is_left_alone(text: str) -> None:
    assert SecretRegistry().redact(text).text is text


def test_text_after_an_unfinished_key_is_kept() -> None:
    text = f"-----BEGIN PRIVATE KEY-----\n{BODY}\nThis is the next paragraph."
    assert SecretRegistry().redact(text).text == "[redacted:private-key]\nThis is the next paragraph."


def test_a_key_whose_end_is_too_far_away_loses_its_beginning_only() -> None:
    text = "-----BEGIN PRIVATE KEY-----\nplain words " + "x y " * 10_000 + "-----END PRIVATE KEY----- tail"
    redacted = SecretRegistry().redact(text).text
    assert redacted.startswith("[redacted:private-key]\nplain words")
    assert redacted.endswith("tail")
    cut = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY"
    assert "AAAA" not in SecretRegistry().redact(cut).text


def test_two_keys_in_a_row_are_two() -> None:
    assert SecretRegistry().redact(f"{PEM}\nand\n{PEM}").text == "[redacted:private-key]\nand\n[redacted:private-key]"
    inside = "-----BEGIN PRIVATE KEY-----\n-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"
    assert SecretRegistry().redact(inside).text == "[redacted:private-key]"


def test_what_was_found_is_not_looked_through_again() -> None:
    rule = Rule("pairs", ("ab",), "(?:ab)+", boundary=False)
    assert list(found(rule, "ababab ab", [7, 4, 2, 0, 0])) == [(0, 6), (7, 9)]
    inside = "-----BEGIN PRIVATE KEY-----\n-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"
    assert list(found(KEY, inside, [0, 28])) == [(0, len(inside))]


def test_a_match_begins_no_word_but_right_behind_another_match() -> None:
    rule = Rule("two", ("ab",), "ab")
    for text, spans in (("abab", [(0, 2), (2, 4)]), ("xabab", []), ("ab_ab éab", [(0, 2)])):
        assert list(found_in(rule, text)) == spans
        assert list(found(rule, text, range(len(text)))) == spans


def test_nothing_is_no_match() -> None:
    rule = Rule("suffix", ("ab",), "ab(x*)", boundary=False)
    assert list(found(rule, "ab abx", [0, 3])) == [(5, 6)]
    assert list(found_in(rule, "ab abx")) == [(5, 6)]


class Watched(str):
    """Counts how often something is looked for in it."""

    looks = 0

    def find(self, *args: Any) -> int:
        self.looks += 1
        return super().find(*args)


def test_an_end_that_never_comes_is_looked_for_once() -> None:
    text = Watched("-----BEGIN PRIVATE KEY-----\n" * 50)
    assert len(list(found(KEY, text, range(0, len(text), 28)))) == 50
    assert text.looks == 1


def test_a_flood_of_keywords_costs_one_look_over_the_text() -> None:
    rule = next(rule for rule in RULES if rule.name == "jwt")
    text = "eyJ é " * 10_000
    begun = time.process_time()
    assert list(found_in(rule, text)) == []
    once = time.process_time() - begun
    assert list(found(rule, text, range(0, len(text), 6))) == []
    assert time.process_time() - begun < 10 * once + 0.05, "measured: fifty times and more with a look at each"


@pytest.mark.parametrize(
    "keyword, text",
    [
        ("sk-ant- ", "xsk-ant-" + "a1" * 12 + "-sk-ant-" + "b7" * 20),
        ("pwd ", 'passwd="the first, a b c d e password=hunter2hunter9"'),
        ("pwd ", "password=hunter2hunter9"),
        ("pwd é ", 'passwd="the first, a b c d e password=hunter2hunter9"'),
    ],
)
def test_in_a_flood_a_secret_inside_of_what_is_none_is_found_as_well(keyword: str, text: str) -> None:
    alone = SecretRegistry().redact(text).text
    assert "[redacted:" in alone
    assert SecretRegistry().redact(keyword * 2_000 + text).text == keyword * 2_000 + alone


def test_in_a_flood_of_keywords_secrets_are_still_found() -> None:
    token = "ghp_" + some(36)
    for noise in ("ghp_ ", "ghp_é "):
        redacted = SecretRegistry().redact(noise * 2_000 + token + " ü " + noise * 2_000 + "x" + token)
        assert redacted.text == noise * 2_000 + "[redacted:github-token] ü " + noise * 2_000 + "x" + token


@pytest.mark.parametrize(
    "rule, value",
    [
        ("email", "jane.doe+tag@mail.example.co.uk"),
        ("card-number", "4111 1111 1111 1111"),
        ("card-number", "5500-0000-0000-0004"),
        ("iban", "DE89 3704 0044 0532 0130 00"),
        ("iban", "GB29NWBK60161331926819"),
        ("phone", "+49 (30) 123456-78"),
        ("phone", "(555) 123-4567"),
    ],
)
def test_personal_data_is_taken_out_only_when_asked_for(rule: str, value: str) -> None:
    text = f"für {value}, bitte"
    assert SecretRegistry().redact(text).text is text
    redacted = SecretRegistry(personal=True).redact(text)
    assert redacted.hits == (rule,)
    assert redacted.text == f"für [redacted:{rule}], bitte"


@pytest.mark.parametrize(
    "text",
    [
        "4111 1111 1111 1112",
        "4444 4444 4444 4444",
        "DE00 3704 0044 0532 0130 00",
        "a @ b",
        "2026-11-20 12:30:45",
        "v1.2.3",
    ],
)
def test_numbers_that_only_look_personal_are_kept(text: str) -> None:
    assert SecretRegistry(personal=True).redact(text).text == text


def test_every_rule_compiles_and_a_missing_library_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    patterns.require()
    patterns._compiled.cache_clear()
    for rule in (*RULES, *PERSONAL, patterns._KEY_MATERIAL):
        patterns._compiled(rule)
    monkeypatch.setitem(sys.modules, "re2", None)
    with pytest.raises(ConfigurationError, match="re2"):
        patterns.require()
    patterns._compiled.cache_clear()
    with pytest.raises(ConfigurationError, match="re2"):
        SecretRegistry().redact("password=hunter2")


def test_case_matters_unless_a_rule_says_otherwise() -> None:
    rule = Rule("x", ("k-",), "k-[A-Z]{8}")
    assert list(found_in(rule, "k-ABCDEFGH k-abcdefgh K-ABCDEFGH")) == [(0, 10)]
    assert len(list(found_in(Rule("x", ("k-",), "k-[A-Z]{8}", fold=True), "k-ABCDEFGH k-abcdefgh"))) == 2


def test_only_its_group_is_taken_out_also_where_the_text_begins_with_it() -> None:
    rule = Rule("x", ("key",), "(key)=[a-z]+|key:([a-z]+)")
    assert list(found(rule, "key=abc", [0])) == list(found_in(rule, "key=abc")) == [(0, 3)]
    assert list(found(rule, "key:abc", [0])) == list(found_in(rule, "key:abc")) == [(4, 7)]


@pytest.mark.parametrize("between, last", [(9, 18), (10, 19), (11, 5)])
def test_a_block_ends_at_its_last_line_as_far_away_as_that_may_be(between: int, last: int) -> None:
    rule = Rule("x", ("BEGIN",), "BEGIN", block=("END", "!", 10))
    assert list(found(rule, "BEGIN" + "." * between + "END!", [0])) == [(0, last)]
