"""The rules by form: for each, what it takes out and what it leaves alone."""

from __future__ import annotations

import random
import string

import pytest

from holdfast.access.apikeys import new_key
from holdfast.safe.personal import PERSONAL
from holdfast.safe.rules import RULES, is_opaque
from holdfast.safe.secrets import SecretRegistry

RANDOM = random.Random(11)
ALNUM = string.ascii_letters + string.digits
HEX = "0123456789abcdef"


def some(length: int, alphabet: str = ALNUM) -> str:
    return "".join(RANDOM.choices(alphabet, k=length - 2)) + "a1"


PREFIXED = [
    ("holdfast-key", new_key().key),
    ("jwt", "eyAiYWxnIjogIlJTMjU2In0" + "." + some(60) + "." + some(86)),
    ("jwt", "ewogImFsZyI6ICJSUzI1NiJ9" + "." + some(60) + "." + some(86)),
    ("aws-bedrock-key", "ABSK" + some(120)),
    ("gitlab-token", "GR1348941" + some(20)),
    ("gitlab-token", "gloas-" + some(64)),
    ("slack-token", "xoxe.xoxp-1-" + some(40)),
    ("stripe-key", "rk_test_" + some(24)),
    ("google-oauth", "1//0" + some(60)),
    ("azure-client-secret", "aB38Q~" + some(34)),
    ("azure-devops-token", some(76) + "AZDO" + some(4)),
    ("groq-key", "gsk_" + some(52)),
    ("xai-key", "xai-" + some(80)),
    ("perplexity-key", "pplx-" + some(48)),
    ("replicate-token", "r8_" + some(37)),
    ("nvidia-key", "nvapi-" + some(64)),
    ("langsmith-key", "lsv2_pt_" + some(32, HEX) + "_" + some(10, HEX)),
    ("pinecone-key", "pcsk_" + some(60)),
    ("huggingface-token", "api_org_" + "aB" * 17),
    ("rubygems-key", "rubygems_" + some(48, HEX)),
    ("docker-token", "dckr_pat_" + some(27)),
    ("sendgrid-key", "SG." + some(22) + "." + some(43)),
    ("brevo-key", "xkeysib-" + some(64, HEX) + "-" + some(16)),
    ("mailgun-key", "key-" + some(32, HEX)),
    ("mailchimp-key", some(32, HEX) + "-us20"),
    ("digitalocean-token", "dop_v1_" + some(64, HEX)),
    ("shopify-token", "shpat_" + some(32, HEX)),
    ("atlassian-token", "ATATT3" + some(180)),
    ("bitbucket-token", "ATBB" + some(32)),
    ("databricks-token", "dapi" + some(32, HEX)),
    ("heroku-key", "HRKU-" + some(60)),
    ("doppler-token", "dp.pt." + some(43)),
    ("vault-token", "hvs." + some(90)),
    ("terraform-token", some(14) + ".atlasv1." + some(67)),
    ("pulumi-token", "pul-" + some(40, HEX)),
    ("grafana-token", "glsa_" + some(32) + "_" + some(8, HEX)),
    ("newrelic-key", "NRAK-" + some(27)),
    ("sentry-token", "sntryu_" + some(64, HEX)),
    ("postman-key", "PMAK-" + some(24, HEX) + "-" + some(34, HEX)),
    ("linear-key", "lin_api_" + some(40)),
    ("notion-token", "ntn_" + some(46)),
    ("figma-token", "figd_" + some(40)),
    ("square-token", "sq0atp-" + some(22)),
    ("supabase-key", "sbp_" + some(40, HEX)),
    ("planetscale-token", "pscale_tkn_" + some(43)),
    ("fly-token", "fm2_" + some(200)),
    ("age-key", "AGE-SECRET-KEY-1" + "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L" * 2),
    ("onepassword-token", "ops_eyJ" + some(200)),
    ("circleci-token", "CCIPAT_" + some(22) + "_" + some(40, HEX)),
    ("buildkite-token", "bkua_" + some(40, HEX)),
    ("artifactory-key", "AKCp" + some(69)),
    ("nuget-key", "oy2" + some(43, string.ascii_lowercase + string.digits)),
    ("clojars-token", "CLOJARS_" + some(60, string.ascii_lowercase + string.digits)),
    ("facebook-token", "EAA" + some(120)),
    ("dynatrace-token", "dt0c01." + "ABCD1234" * 3 + "." + "ABCD1234" * 8),
    ("openshift-token", "sha256~" + some(43)),
    ("sourcegraph-token", "sgp_" + some(40, HEX)),
    ("easypost-key", "EZAK" + some(54)),
    ("mapbox-token", "sk.eyJ" + some(60) + "." + some(22)),
    ("prefect-key", "pnu_" + some(36)),
]
PLACED = [
    ("azure-key", some(86) + "==", "DefaultEndpointsProtocol=https;AccountName=x;AccountKey={};EndpointSuffix=y"),
    ("azure-key", some(43) + "=", "Endpoint=sb://x/;SharedAccessKey={}"),
    ("azure-sas", some(43) + "%3D", "https://x.blob.core.windows.net/c?sv=2024&sig={}&se=2027"),
    ("telegram-token", "AA" + some(33), "https://api.telegram.org/bot123456789:{}/getMe"),
    ("discord-webhook", some(68), "https://discord.com/api/webhooks/123456789012345678/{}"),
    ("discord-token", "M" + some(23) + "." + some(6) + "." + some(38), 'DISCORD_TOKEN="{}"'),
    ("vendor-key", some(32, HEX), "TWILIO_AUTH={}"),
    ("vendor-key", some(32, HEX), "datadog-key: {}"),
    ("cookie", some(40), "Set-Cookie: session={}; HttpOnly"),
    ("url-token", some(40), "https://{}@git.example.com/x.git"),
    ("url-password", some(12), "amqps://user:{}@queue:5671/v"),
    ("token", some(40), "GET /x?token={} HTTP/1.1"),
    ("token", some(40), '{{"token": "{}"}}'),
    ("credential", some(24), '{{"accessToken":"{}"}}'),
    ("credential", "abcdefghijkl", "https://x/?client_secret={}&a=b"),
    ("password", "letmein", "DB_PASSWORD={}"),
    ("password", "letmein", "/login?user=x&password={}&y"),
    ("authorization", "TWljaGFlbDpQYXNz", "Authorization: Basic {}"),
    ("private-key", "AAAAB3NzaC1yc2E", "---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----\n"
     "{}\n---- END SSH2 ENCRYPTED PRIVATE KEY ----"),
    ("private-key", "AAAAB3NzaC1yc2E", "PuTTY-User-Key-File-3: ssh-rsa\nPrivate-Lines: 1\n{}\nPrivate-MAC: 00\nend"),
]  # fmt: skip
BESIDE = {
    "aws-access-key", "github-token", "google-key", "anthropic-key", "openai-key", "npm-token", "pypi-token", "jwt",
    "bearer-token", "slack-webhook",
}  # fmt: skip
"""Those of test_patterns.py."""
TABLE = [(rule, secret, "{}") for rule, secret in PREFIXED] + PLACED


@pytest.mark.parametrize("rule, secret, place", TABLE, ids=[f"{row[0]}-{at}" for at, row in enumerate(TABLE)])
def test_each_form_is_found_by_its_rule_and_a_damaged_one_is_not_taken_for_it(
    rule: str, secret: str, place: str
) -> None:
    registry = SecretRegistry()
    redacted = registry.redact(f"before {place.format(secret)} after")
    assert rule in redacted.hits
    assert secret not in redacted.text
    assert f"[redacted:{rule}]" in redacted.text
    assert redacted.text.startswith("before ")
    assert redacted.text.endswith(" after")
    assert registry.redact(redacted.text).text == redacted.text
    if place == "{}" and rule not in ("azure-client-secret", "slack-token"):
        assert rule not in registry.redact(f"before x{secret} after").hits
        assert rule not in registry.redact(f"before {secret[:12]} after").hits


def test_every_rule_has_an_example_here_or_beside() -> None:
    shown = {row[0] for row in TABLE} | BESIDE
    assert {rule.name for rule in RULES} <= shown


def test_names_of_rules_are_few_enough_for_a_metric_and_plain() -> None:
    names = {rule.name for rule in (*RULES, *PERSONAL)}
    assert len(names) < 150
    assert all(name.replace("-", "").isalnum() and name.islower() for name in names)


@pytest.mark.parametrize(
    "text",
    [
        "passwd = fallback_getpass(prompt, stream)",
        "self.password = self.distribution.password",
        "authorization = self.headers.get('authorization')",
        "def unix_getpass(prompt='Password: ', stream=None):",
        'raise TypeError("pwd: expected bytes")',
        "private_key: Ed25519PrivateKey",
        'PRIVATE_KEY = "private-key"',
        '"password": "A secret word, phrase, or sequence of characters used during authentication."',
        "https://username:password@host/path",
        "token = next(tokens); token: SomeVeryLongTypeNameWithoutDigits",
        "msg.format(key-value) task-force risk-us",
        "token_type=bearer next_page_token: 12",
        "use SG.x or hvs.short or dp.pt.short",
        '"password": "undefined", "passwd": "required."',
        "DB_PASSWORD=null",
        'x = "password: hunter"',
        'say password: "open\nsesame"',
        'password: "a word that only you may know."',
        'password: "a word, known to you and me"',
        "password = read_2fa_code(prompt)",
        "Authorization: Bearer authentication is required",
        "token = make_session_token_v2x(request)",
        "some-name:AA" + "b" * 33,
        "1234567:AA" + "b" * 33,
    ],
)
def test_code_and_prose_are_left_alone(text: str) -> None:
    assert SecretRegistry().redact(text).text is text


@pytest.mark.parametrize(
    "value", ["correct horse battery, staple.", "hunter, two.", "correct horse battery staple again now"]
)
def test_a_passphrase_is_no_sentence(value: str) -> None:
    assert SecretRegistry().redact(f'password: "{value}"').text == 'password: "[redacted:password]"'


def test_a_bots_number_may_begin_the_text() -> None:
    assert SecretRegistry().redact("12345678:AA" + "b" * 33).text == "12345678:[redacted:telegram-token]"


def test_what_is_opaque_has_letters_and_digits() -> None:
    assert is_opaque("a1")
    assert not is_opaque("123456")
    assert not is_opaque("abcdef")


VALID = [
    ("us-ssn", "219-09-9999"), ("uk-nino", "AB 12 34 56 C"), ("de-steuer-id", "86095742719"),
    ("fr-nir", "1 84 12 76 451 089 46"), ("es-dni", "12345678Z"), ("es-dni", "X1234567L"),
    ("it-codice-fiscale", "RSSMRA85T10A562S"), ("pl-pesel", "44051401359"), ("br-cpf", "529.982.247-25"),
    ("in-aadhaar", "2341 2341 2346"), ("fi-hetu", "131052-308T"), ("se-personnummer", "811228-9874"),
    ("email", "a.b@c.example"), ("iban", "FR14 2004 1010 0505 0001 3M02 606"), ("card-number", "378282246310005"),
]  # fmt: skip
INVALID = [
    "219-00-9999", "666-09-9999", "900-09-9999", "GB 12 34 56 C", "86095742718", "11111111111",
    "2 55 08 14 168 025 39", "12345678A", "X1234567A", "RSSMRA85T10A562T", "44051401358", "529.982.247-26",
    "111.111.111-11", "2341 2341 2347", "131052-308U", "811228-9875",
]  # fmt: skip


@pytest.mark.parametrize("rule, value", VALID)
def test_personal_numbers_are_found_by_their_check_digits(rule: str, value: str) -> None:
    redacted = SecretRegistry(personal=True).redact(f"of {value}, please")
    assert redacted.text == f"of [redacted:{rule}], please"
    assert SecretRegistry(personal=True).redact(redacted.text).text == redacted.text
    assert SecretRegistry().redact(f"of {value}, please").hits == ()


def test_a_dutch_number_has_to_be_called_by_its_name() -> None:
    personal = SecretRegistry(personal=True)
    assert personal.redact("BSN: 111222333").text == "BSN: [redacted:nl-bsn]"
    assert personal.redact("BSN: 111222334 and 111222333").hits == ()


@pytest.mark.parametrize("value", INVALID)
def test_numbers_with_a_wrong_check_digit_are_kept(value: str) -> None:
    assert SecretRegistry(personal=True).redact(f"of {value}, please").hits == ()
