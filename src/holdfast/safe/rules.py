"""The rules for secrets that are known by their form only; partial by nature, beside the registry of known values.

Prefixes and lengths are facts taken from the vendors' documentation and from gitleaks (MIT; see
``security/ATTRIBUTION.md``). No such list is complete: published benchmarks see 24 to 88 % of the secrets found.
"""

from __future__ import annotations

import re
from typing import Final

from holdfast.safe.patterns import Rule

_PROSE = (
    "none null true false undefined string str integer boolean bytes object optional required redacted hidden "
    "masked secret password token changed missing invalid expired incorrect forgotten reset "
    "bearer basic digest negotiate apikey"
)
_WORDS: Final = frozenset(_PROSE.split())
_EXAMPLES: Final = frozenset(["password", "pass", "passwd", "pwd", "secret", "redacted", "xxxx", "****"])
_NAMES_ONLY: Final = re.compile(r"[^\W\d]+(?:[.:/-]+[^\W\d]+)*[.:]?|[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+")
"""Words, paths of names: in source code as often a variable as a value."""
_TYPE: Final = re.compile(r"[A-Z]\w*(?:Keys?|Types?|Tokens?|Secrets?|Str)")
_VERBATIM: Final = re.compile(r"(?:[?&][\w.-]{0,64}|(?:^|[\s;\"'])[A-Z][A-Z0-9_]{2,63})=\Z")
"""What is never a variable of a program: a parameter of a URL, and NAME=value as the environment has it."""
_SCHEMED: Final = re.compile(r"(?i)\b(?:bearer|basic|token|apikey|negotiate|bot)\s{1,3}\Z")
_ENCODED: Final = re.compile("[a-z][A-Z]")
_LOOKBACK: Final = 100


def is_opaque(value: str) -> bool:
    """Whether a text without blanks mixes letters and digits, as generated secrets do and words do not."""
    return any(char.isdigit() for char in value) and any(char.isalpha() for char in value)


def _is_value(text: str, first: int, last: int) -> bool:
    """Whether what is assigned is a value, not a placeholder, a type, a word, a variable or an earlier redaction."""
    value, after = text[first:last], text[last : last + 1]
    if value[0] in "<{[$*%(,) " or value.lower().rstrip(".") in _WORDS:
        return False
    if text[first - 1 : first] in ('"', "'") and after in ('"', "'", "\\"):
        return not (value.count(" ") > 3 and (value.endswith(".") or ", " in value))  # a sentence describes
    if after and after in "([":  # a call or a look-up
        return False
    if _NAMES_ONLY.fullmatch(value) is None and _TYPE.fullmatch(value) is None:
        return True
    before = text[max(0, first - _LOOKBACK) : first]
    return _VERBATIM.search(before) is not None or bool(_ENCODED.search(value) and _SCHEMED.search(before))


def _is_credential(text: str, first: int, last: int) -> bool:
    """The same for names that are given to more than secrets: words and names of things are not values."""
    if not _is_value(text, first, last):
        return False
    plain = _NAMES_ONLY.fullmatch(text[first:last].replace("-", "_")) is None
    return plain or _VERBATIM.search(text[max(0, first - _LOOKBACK) : first]) is not None


def _is_no_example(text: str, first: int, last: int) -> bool:
    return text[first:last].lower() not in _EXAMPLES


def _mixed(text: str, first: int, last: int) -> bool:
    return is_opaque(text[first:last]) and text[last : last + 1] not in ("(", "[")


def _after_number(text: str, first: int, last: int) -> bool:
    """Whether eight digits and a colon stand before: the number of a Telegram bot."""
    return text[max(0, first - 9) : first - 1].isdigit() and first >= 9


# A name may go on after the keyword (secret_access_key), then quotes, perhaps escaped, and a sign of assignment.
_ASSIGNED: Final = r"[\w.-]{0,32}\\{0,3}[\"']?\s{0,3}(?:=>|:=|=|:)\s{0,3}"
_QUOTED: Final = r"\\{0,3}\"([^\"\\\r\n]{4,})|\\{0,3}'([^'\\\r\n]{4,})"
_BARE: Final = r"([^\s\"'`,;&<>()\x7b\x7d\[\]\\]{{{},}})"
_SCHEMES: Final = r"(?:(?:bearer|basic|token|digest|apikey|negotiate|bot|splunk|sso-key|aws4-hmac-sha256)\s{1,3})?"
_JWT = 16 << 10  # characters; the longest that is taken (access.jwt)
_HEX32 = "[0-9a-f]{32}"
_CREDENTIALS = (
    "secret", "api_key", "api-key", "apikey", "access_key", "accesskey", "access-key", "private_key", "app_key",
    "auth_token", "access_token", "refresh_token", "auth-token", "access-token", "refresh-token", "authtoken",
    "accesstoken", "refreshtoken",
)  # fmt: skip


def _prefixed(name: str, prefixes: str, tail: str, **options: int) -> Rule:
    """A token that begins with one of the ``prefixes`` (separated by blanks) and goes on as ``tail`` says."""
    words = tuple(prefixes.split())
    return Rule(name, words, f"(?:{'|'.join(map(re.escape, words))}){tail}", **options)  # type: ignore[arg-type]


_TOKENS: Final = (
    _prefixed("aws-access-key", "AKIA ASIA ABIA ACCA", r"[A-Z2-7]{16}\b"),
    _prefixed("holdfast-key", "hfk_", r"[0-9a-f]{10}_[\w-]{43,}"),
    _prefixed("aws-bedrock-key", "ABSK", r"[0-9A-Za-z+/]{100,270}={0,2}"),
    _prefixed("github-token", "ghp_ gho_ ghu_ ghs_ ghr_", r"[0-9A-Za-z]{36,}"),
    _prefixed("github-token", "github_pat_", r"\w{60,}"),
    _prefixed(
        "gitlab-token",
        "glpat- gldt- glrt- glptt- glcbt- glsoat- glffct- glimt- glagent- gloas- glft-",
        r"[\w.-]{20,}",
    ),
    _prefixed("gitlab-token", "GR1348941", r"[\w-]{20}"),
    Rule("slack-token", ("xox", "xapp-"), r"(?:xox[abeoprs]|xapp)[.-][0-9A-Za-z.-]{10,}"),
    Rule("slack-webhook", ("hooks.slack.com/",), r"hooks\.slack\.com/\w{8,9}/([\w+/]{20,})", boundary=False),
    _prefixed("stripe-key", "sk_live_ rk_live_ sk_test_ rk_test_ whsec_", r"[0-9A-Za-z]{10,}"),
    _prefixed("google-key", "AIza", r"[\w-]{35}"),
    Rule("google-oauth", ("ya29.", "GOCSPX-", "1//0"), r"(?:ya29\.[\w-]{20,}|GOCSPX-[\w-]{28}|1//0[\w-]{40,})"),
    Rule("azure-key", ("AccountKey=", "SharedAccessKey="), r"(?:Account|SharedAccess)Key=([0-9A-Za-z+/]{43,86}={1,2})"),
    Rule("azure-client-secret", ("Q~",), r"[\w~.-]{3}[0-9]Q~[\w~.-]{31,34}", boundary=False, lead=4),
    Rule("azure-sas", ("sig=",), r"sig=([0-9A-Za-z%+/]{40,}(?:%3[Dd]|=))"),
    Rule("azure-devops-token", ("AZDO",), r"[0-9A-Za-z]{76}AZDO[0-9A-Za-z]{4}", lead=76),
    _prefixed("anthropic-key", "sk-ant-", r"[\w-]{20,}"),
    Rule("openai-key", ("sk-",), r"sk-(?:(?:proj|svcacct|admin|or-v1)-[\w-]{20,}|[0-9A-Za-z]{32,})"),
    _prefixed("huggingface-token", "hf_ api_org_", r"[A-Za-z]{34}\b"),
    _prefixed("groq-key", "gsk_", r"[0-9A-Za-z]{48,}"),
    _prefixed("xai-key", "xai-", r"[0-9A-Za-z]{70,}"),
    _prefixed("perplexity-key", "pplx-", r"[0-9A-Za-z]{40,}"),
    _prefixed("replicate-token", "r8_", r"[0-9A-Za-z]{37}\b"),
    _prefixed("nvidia-key", "nvapi-", r"[\w-]{60,}"),
    _prefixed("langsmith-key", "lsv2_pt_ lsv2_sk_", r"[0-9a-f]{32}_[0-9a-f]{10}"),
    _prefixed("pinecone-key", "pcsk_", r"\w{40,}"),
    _prefixed("npm-token", "npm_", r"[0-9A-Za-z]{36}\b"),
    _prefixed("pypi-token", "pypi-AgE", r"[\w-]{50,}"),
    _prefixed("rubygems-key", "rubygems_", r"[0-9a-f]{48}"),
    _prefixed("docker-token", "dckr_pat_ dckr_oat_", r"[\w-]{27,}"),
    Rule("sendgrid-key", ("SG.",), r"SG\.[\w-]{20,24}\.[\w-]{39,50}"),
    _prefixed("brevo-key", "xkeysib-", r"[0-9a-f]{64}-[0-9A-Za-z]{16}"),
    _prefixed("mailgun-key", "key-", _HEX32 + r"\b"),
    Rule("mailchimp-key", ("-us",), r"[0-9a-f]{32}-us[0-9]{1,2}\b", lead=32),
    _prefixed("digitalocean-token", "dop_v1_ doo_v1_ dor_v1_", r"[0-9a-f]{64}"),
    _prefixed("shopify-token", "shpat_ shpca_ shppa_ shpss_", r"[0-9a-fA-F]{32}"),
    _prefixed("atlassian-token", "ATATT3 ATCTT3", r"[\w=-]{60,}"),
    _prefixed("bitbucket-token", "ATBB", r"[0-9A-Za-z]{32}"),
    _prefixed("databricks-token", "dapi", r"[0-9a-f]{32}(?:-[0-9])?\b"),
    _prefixed("heroku-key", "HRKU-", r"[\w-]{36,}"),
    _prefixed("doppler-token", "dp.pt. dp.st. dp.ct. dp.sa. dp.scim. dp.audit.", r"[\w.-]{40,}"),
    _prefixed("vault-token", "hvs. hvb. hvr.", r"[\w-]{24,}"),
    Rule("terraform-token", (".atlasv1.",), r"[0-9A-Za-z]{14}\.atlasv1\.[\w=-]{60,}", lead=14),
    _prefixed("pulumi-token", "pul-", r"[0-9a-f]{40}\b"),
    Rule("grafana-token", ("glsa_", "glc_"), r"(?:glsa_[0-9A-Za-z]{32}_[0-9A-Fa-f]{8}|glc_[0-9A-Za-z+/]{32,})"),
    _prefixed("newrelic-key", "NRAK- NRII- NRJS- NRRA-", r"[0-9A-Za-z-]{19,42}"),
    _prefixed("sentry-token", "sntrys_ sntryu_", r"[0-9A-Za-z+/=_]{40,}", window=1_024),
    _prefixed("postman-key", "PMAK-", r"[0-9a-f]{24}-[0-9a-f]{34}"),
    _prefixed("linear-key", "lin_api_ lin_oauth_", r"[0-9A-Za-z]{40,}"),
    Rule("notion-token", ("ntn_", "secret_"), r"(?:ntn_[0-9A-Za-z]{40,}|secret_[0-9A-Za-z]{43}\b)"),
    _prefixed("figma-token", "figd_ figo_", r"[\w-]{38,}"),
    _prefixed("square-token", "sq0atp- sq0csp- sq0idp-", r"[\w-]{22,43}"),
    _prefixed("supabase-key", "sbp_ sb_secret_", r"[\w-]{30,}"),
    _prefixed("planetscale-token", "pscale_tkn_ pscale_pw_ pscale_oauth_", r"[\w.-]{32,}"),
    _prefixed("fly-token", "fo1_ fm1_ fm1a_ fm2_", r"[\w+/=-]{40,}", window=4_096),
    _prefixed("age-key", "AGE-SECRET-KEY-1", r"[0-9A-Z]{50,}"),
    _prefixed("onepassword-token", "ops_eyJ", r"[\w+/=-]{100,}", window=4_096),
    _prefixed("circleci-token", "CCIPAT_", r"\w{40,}"),
    _prefixed("buildkite-token", "bkua_", r"[0-9a-f]{40}"),
    _prefixed("artifactory-key", "AKCp", r"[0-9A-Za-z]{60,}"),
    _prefixed("nuget-key", "oy2", r"[0-9a-z]{43}\b"),
    _prefixed("clojars-token", "CLOJARS_", r"[0-9a-z]{60}"),
    _prefixed("facebook-token", "EAA", r"[0-9A-Za-z]{80,}"),
    _prefixed("dynatrace-token", "dt0c01.", r"[0-9A-Z]{24}\.[0-9A-Z]{64}"),
    _prefixed("openshift-token", "sha256~", r"[\w-]{43}"),
    _prefixed("sourcegraph-token", "sgp_", r"(?:[0-9A-Za-z]{16}_)?[0-9a-f]{40}"),
    _prefixed("easypost-key", "EZAK EZTK", r"[0-9A-Za-z]{54}"),
    _prefixed("mapbox-token", "sk.eyJ", r"[\w-]{40,}\.[\w-]{20,}"),
    _prefixed("prefect-key", "pnu_ pnb_", r"[0-9A-Za-z]{36}\b"),
    Rule("telegram-token", (":AA",), r":(AA[\w-]{33})\b", boundary=False, accept=_after_number),
    Rule("discord-webhook", ("/api/webhooks/",), r"/api/webhooks/[0-9]{15,20}/([\w-]{50,})", boundary=False),
    Rule(
        "discord-token",
        ("discord",),
        r"discord" + _ASSIGNED + r"\\?[\"']?((?:[MNO][\w-]{23,27})\.[\w-]{6}\.[\w-]{27,40})",
        boundary=False,
        fold=True,
    ),
    Rule(
        "vendor-key",
        ("twilio", "datadog", "dd_api", "dd_app", "cloudflare", "fastly", "algolia"),
        r"(?:twilio|datadog|dd_api|dd_app|cloudflare|fastly|algolia)"
        + _ASSIGNED + r"\\?[\"']?((?:SK|AC)?[\w-]{32,40})\b",
        boundary=False,
        fold=True,
        accept=_mixed,
    ),
)  # fmt: skip

RULES: Final = (
    *_TOKENS,
    Rule("jwt", ("eyJ",), r"eyJ[\w-]{6,}\.[\w-]{6,}(?:\.[\w-]*){1,3}", window=_JWT),
    # a header that was written with blanks: { and a space, tab, line feed or carriage return
    Rule("jwt", ("eyA", "ewk", "ewo", "ew0"), r"(?:eyA|ewk|ewo|ew0)[\w-]{12,}\.[\w-]{12,}\.[\w-]{12,}", window=_JWT,
         accept=_mixed),
    Rule(
        "private-key",
        ("-----BEGIN ",),
        r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----",
        boundary=False,
        window=80,
        block=("-----END ", "-----", 16_384),
    ),
    Rule(
        "private-key",
        ("---- BEGIN ",),
        r"---- BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY ----",
        boundary=False,
        window=80,
        block=("---- END ", " ----", 16_384),
    ),
    Rule(
        "private-key",
        ("PuTTY-User-Key-File-",),
        r"PuTTY-User-Key-File-[0-9]",
        window=80,
        block=("Private-MAC: ", "\n", 16_384),
    ),
    Rule(
        "authorization",
        ("authorization",),
        r"authorization\\{0,3}[\"']?\s{0,3}[:=]\s{0,3}\\{0,3}[\"']?" + _SCHEMES + _BARE.format(6),
        boundary=False,
        fold=True,
        window=8192,
        accept=_is_value,
    ),
    Rule("bearer-token", ("bearer",), r"bearer\s{1,3}([\w.~+/=-]{16,})", fold=True, window=8192),
    Rule("cookie", ("cookie:", "cookie\""), r"cookie\\{0,3}[\"']?: {0,3}\\{0,3}[\"']?[\w.-]{1,64}=([\w%./+=~-]{16,})",
         boundary=False, fold=True, window=8192, accept=_mixed),
    Rule("url-password", ("://",), r"://[^\s/:@\"'<>]{0,128}:([^\s/@\"'<>]{1,256})@", boundary=False,
         accept=_is_no_example),
    Rule("url-token", ("://",), r"://([^\s/:@\"'<>]{20,256})@", boundary=False, accept=_mixed),
    Rule(
        "password",
        ("password", "passwd", "passphrase", "pwd"),
        r"(?:password|passwd|passphrase|pwd)" + _ASSIGNED + f"(?:{_QUOTED}|{_BARE.format(4)})",
        boundary=False,
        fold=True,
        accept=_is_value,
    ),
    Rule(
        "credential",
        _CREDENTIALS,
        r"(?:secret|(?:api|app|private)[_-]?key|access[_-]?key|(?:auth|access|refresh)[_-]?token)" + _ASSIGNED
        + f"(?:{_QUOTED}|{_BARE.format(8)})",
        boundary=False,
        fold=True,
        window=2048,
        accept=_is_credential,
    ),
    Rule(
        "token",
        ("token",),
        r"token\\{0,3}[\"']?\s{0,3}(?:=>|:=|=|:)\s{0,3}\\{0,3}[\"']?([\w.~+/=-]{20,})",
        fold=True,
        boundary=False,
        window=2048,
        accept=_mixed,
    ),
)  # fmt: skip
