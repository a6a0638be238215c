"""Rules for secrets and personal data that are known by their form only; partial by nature, beside the registry.

Prefixes and lengths are facts taken from the vendors' documentation and from gitleaks (MIT; see
``security/ATTRIBUTION.md``). No such list is complete: published benchmarks see 24 to 88 % of the secrets found.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from itertools import pairwise
from typing import Any, Final

from holdfast.errors import ConfigurationError

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Rule:
    """A form of secret: ``pattern`` (RE2, on UTF-8 bytes) is tried where one of ``keywords`` stands, never elsewhere.

    The first group that took part, or else the whole match, is what gets redacted. ``boundary`` wants no letter or
    digit before the keyword, ``fold`` ignores case, ``window`` is how far (characters) a match may reach.
    """

    name: str
    keywords: tuple[str, ...]
    pattern: str
    boundary: bool = True
    fold: bool = False
    window: int = 512
    accept: Callable[[str], bool] | None = None
    block: tuple[str, str, int] | None = None
    """For what has an end of its own: how its last line begins and ends, and how far away (characters) it may be."""


def _is_value(text: str) -> bool:
    """Whether what is assigned is a value, not a placeholder, a type, a word of prose or an earlier redaction."""
    return not (text[0] in "<{[$*%(" or text.lower().rstrip(".") in _WORDS)


_PROSE = (
    "none null true false undefined string str integer boolean bytes object optional required redacted hidden "
    "masked secret password token changed missing invalid expired incorrect forgotten reset "
    "bearer basic digest negotiate apikey"
)
_WORDS: Final = frozenset(_PROSE.split())
# A name may go on after the keyword (secret_access_key), then quotes, perhaps escaped, and a sign of assignment.
_ASSIGNED: Final = r"[\w.-]{0,32}\\?[\"']?\s{0,3}(?:=>|:=|=|:)\s{0,3}"
_TOKENS: Final = ("auth_token", "access_token", "refresh_token")
_QUOTED: Final = r"\\?\"([^\"\\\r\n]{4,})|\\?'([^'\\\r\n]{4,})"
_BARE: Final = r"([^\s\"'`,;&<>()\x7b\x7d\[\]\\]{{{},}})"

RULES: Final = (
    Rule("aws-access-key", ("AKIA", "ASIA", "ABIA", "ACCA"), r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}\b"),
    Rule("github-token", ("ghp_", "gho_", "ghu_", "ghs_", "ghr_"), r"gh[pousr]_[0-9A-Za-z]{36,}"),
    Rule("github-token", ("github_pat_",), r"github_pat_\w{60,}"),
    Rule("gitlab-token", ("glpat-", "gldt-", "glrt-", "glptt-", "glcbt-"), r"gl(?:pat|dt|rt|ptt|cbt)-[\w.-]{20,}"),
    Rule("slack-token", ("xox", "xapp-"), r"(?:xox[abeoprs]|xapp)-[0-9A-Za-z-]{10,}"),
    Rule("slack-webhook", ("hooks.slack.com/",), r"hooks\.slack\.com/\w{8,9}/([\w+/]{20,})", boundary=False),
    Rule("stripe-key", ("sk_live_", "rk_live_", "sk_test_"), r"[sr]k_(?:live|test)_[0-9A-Za-z]{10,}"),
    Rule("stripe-key", ("whsec_",), r"whsec_[0-9A-Za-z]{10,}"),
    Rule("google-key", ("AIza",), r"AIza[\w-]{35}"),
    Rule("google-oauth", ("ya29.", "GOCSPX-"), r"(?:ya29\.[\w-]{20,}|GOCSPX-[\w-]{28})"),
    Rule("anthropic-key", ("sk-ant-",), r"sk-ant-[\w-]{20,}"),
    Rule("openai-key", ("sk-",), r"sk-(?:(?:proj|svcacct|admin|or-v1)-[\w-]{20,}|[0-9A-Za-z]{32,})"),
    Rule("huggingface-token", ("hf_",), r"hf_[A-Za-z]{34}"),
    Rule("npm-token", ("npm_",), r"npm_[0-9A-Za-z]{36}"),
    Rule("pypi-token", ("pypi-AgE",), r"pypi-AgE[\w-]{50,}"),
    Rule("jwt", ("eyJ",), r"eyJ[\w-]{6,}\.[\w-]{6,}(?:\.[\w-]*){1,3}", window=8192),
    Rule(
        "private-key",
        ("-----BEGIN ",),
        r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----",
        boundary=False,
        window=80,
        block=("-----END ", "-----", 16_384),
    ),
    Rule(
        "authorization",
        ("authorization",),
        r"authorization\\?[\"']?\s{0,3}[:=]\s{0,3}\\?[\"']?(?:(?:bearer|basic|token|digest|apikey|negotiate)\s{1,3})?"
        + _BARE.format(6),
        boundary=False,
        fold=True,
        window=8192,
        accept=_is_value,
    ),
    Rule("bearer-token", ("bearer",), r"bearer\s{1,3}([\w.~+/=-]{16,})", fold=True, window=8192),
    Rule("url-password", ("://",), r"://[^\s/:@\"'<>]{0,128}:([^\s/@\"'<>]{1,256})@", boundary=False),
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
        ("secret", "api_key", "api-key", "apikey", "access_key", "accesskey", "private_key", *_TOKENS),
        r"(?:secret|api[_-]?key|access_?key|private_key|(?:auth|access|refresh)_token)" + _ASSIGNED
        + f"(?:{_QUOTED}|{_BARE.format(8)})",
        boundary=False,
        fold=True,
        window=2048,
        accept=_is_value,
    ),
)  # fmt: skip


_KEY_MATERIAL: Final = Rule(
    "key-material",
    (),
    r"(?:(?:\s|\\[nr])*(?:(?:Proc-Type|DEK-Info|Version|Comment): [^\r\n]{0,100}|[0-9A-Za-z+/=]{16,}))*",
)


def _luhn(text: str) -> bool:
    digits = [int(char) for char in text if char.isdigit()]
    doubled = [d if at % 2 == 0 else (2 * d, 2 * d - 9)[d > 4] for at, d in enumerate(reversed(digits))]
    return len(set(digits)) > 1 and sum(doubled) % 10 == 0


def _mod97(text: str) -> bool:
    plain = "".join(text.split())
    return int("".join(str(int(char, 36)) for char in plain[4:] + plain[:4])) % 97 == 1  # ISO 7064, mod 97-10


PERSONAL: Final = (  # looked for over the whole text, and only when asked to
    Rule("email", ("@",), r"[\w.%+-]{1,64}@[0-9A-Za-z-]{1,63}(?:\.[0-9A-Za-z-]{1,63}){1,8}"),
    Rule("card-number", (), r"\b[2-6](?:[ -]?[0-9]){12,18}\b", accept=_luhn),
    Rule("iban", (), r"\b[A-Z]{2}[0-9]{2}(?: ?[0-9A-Z]{4}){2,7}(?: ?[0-9A-Z]{1,4})?\b", accept=_mod97),
    Rule("phone", (), r"\+[1-9](?:[ ().-]{0,2}[0-9]){6,14}\b|\(?\b[0-9]{3}\)?[ .-][0-9]{3}[ .-][0-9]{4}\b"),
)


def spellings(rule: Rule) -> set[str]:
    """The keywords of a rule as they are searched for."""
    if not rule.fold:
        return set(rule.keywords)
    words = set(rule.keywords)
    words |= {re.sub("[-_](.)", lambda match: match[1].upper(), word) for word in words}  # api_key -> apiKey
    return words | {w.upper() for w in words} | {w.title() for w in words} | {w[0].upper() + w[1:] for w in words}


@cache
def _compiled(rule: Rule) -> Any:
    """RE2 runs in linear time; Python's ``re`` was a hundred times slower on such rules (0.04 against 4-23 MiB/s)."""
    try:
        import re2
    except ImportError:
        raise ConfigurationError("redaction needs RE2: install the package google-re2") from None
    return re2.compile((("(?i)" if rule.fold else "") + rule.pattern).encode())


def require() -> None:
    """Raises ``ConfigurationError`` when RE2 is not installed.

    It is loaded, and a rule compiled, when that rule's keyword is first seen (3 MB and 15 ms that most servers never
    need); a rule that did not compile would keep its answer back, and a test compiles them all.
    """
    if find_spec("re2") is None:
        raise ConfigurationError("redaction needs RE2: install the package google-re2")


def found(rule: Rule, text: str, starts: Iterable[int]) -> Iterator[Span]:
    """The spans that ``rule`` matches where its keywords stand (``starts``). Linear in the length of ``text``."""
    places = sorted(set(starts))
    if rule.block is not None:
        return _blocks(rule, text, places, rule.block)
    # A flood of keywords: then one pass over the whole text costs less than a look at each.
    return found_in(rule, text) if len(places) > 64 + len(text) // 256 else _found_at(rule, text, places)


def _blocks(rule: Rule, text: str, starts: list[int], block: tuple[str, str, int]) -> Iterator[Span]:
    """From a first line to its last line; where that is missing, to the end of what looks like key material."""
    last_line, closing, reach = block
    end = done = 0
    for first, begun in _found_at(rule, text, starts):
        if first < done:
            continue
        if 0 <= end < begun:  # looked for again only when passed, and never again once there is none
            end = text.find(last_line, begun)
        if 0 <= end <= begun + reach:
            close = text.find(closing, end + len(last_line), end + len(last_line) + 80)
            done = close + len(closing) if close >= 0 else end
        else:
            raw = text[begun : begun + reach].encode("utf-8", "replace")
            done = begun + _characters(raw[: _compiled(_KEY_MATERIAL).match(raw).end()])
        yield first, done


def _found_at(rule: Rule, text: str, starts: Iterable[int]) -> Iterator[Span]:
    done = 0
    for start in starts:
        if start < done or (rule.boundary and start and _is_word(text[start - 1])):
            continue
        raw = text[start : start + rule.window].encode("utf-8", "replace")
        match = _compiled(rule).match(raw)
        if match is not None:
            first, last = (start + _characters(raw[:at]) for at in _group(match))
            if _accepted(rule, text[first:last]):
                done = last
                yield first, last


def found_in(rule: Rule, text: str) -> Iterator[Span]:
    """The spans that ``rule`` matches anywhere: one linear pass, for personal data and for floods of keywords."""
    raw = text.encode("utf-8", "replace")
    spans = [_group(match) for match in _compiled(rule).finditer(raw)]
    at = {0: 0}
    for before, here in pairwise(sorted({0, *(edge for span in spans for edge in span)})):
        at[here] = at[before] + _characters(raw[before:here])
    for first, last in ((at[one], at[two]) for one, two in spans):
        if not (rule.boundary and first and _is_word(text[first - 1])) and _accepted(rule, text[first:last]):
            yield first, last


def _accepted(rule: Rule, found: str) -> bool:
    return bool(found) and not found.startswith("[redacted:") and (rule.accept is None or rule.accept(found))


def _group(match: Any) -> Span:
    for index in range(1, 1 + match.re.groups):
        if match.start(index) >= 0:
            return match.span(index)  # type: ignore[no-any-return]  # re2 has no types
    return match.span()  # type: ignore[no-any-return]  # re2 has no types


def _is_word(char: str) -> bool:
    return char.isalnum() or char == "_"


def _characters(raw: bytes) -> int:
    return len(raw.decode("utf-8", "ignore"))
