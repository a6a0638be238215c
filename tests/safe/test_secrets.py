"""The registry by value, in every form, and the argument type that hides a secret."""

from __future__ import annotations

import base64
import copy
import html
import json
import logging
import pickle
import sys
import threading
import time
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from holdfast.errors import ConfigurationError, InvalidArguments
from holdfast.safe.outgoing import Outgoing
from holdfast.safe.secrets import MAX_VALUES, SecretRegistry, SecretValue, require
from holdfast.safe.text import clean

CANARY = 'kX9/+q"W<e &7\\rT2'


def registry(*values: str, **options: bool) -> SecretRegistry:
    made = SecretRegistry(**options)
    for number, value in enumerate(values):
        made.add(value, f"own-{number}")
    return made


FORMS = {
    "plain": lambda v: v,
    "reversed": lambda v: v[::-1],
    "hex": lambda v: v.encode().hex(),
    "HEX": lambda v: v.encode().hex().upper(),
    "base64": lambda v: base64.b64encode(v.encode()).decode(),
    "base64 after one byte": lambda v: base64.b64encode(b"x" + v.encode() + b"yz").decode(),
    "base64 after two bytes": lambda v: base64.b64encode(b"xy" + v.encode() + b"z").decode(),
    "base64 url": lambda v: base64.urlsafe_b64encode(b"user:" + v.encode()).decode(),
    "percent": lambda v: quote(v, safe=""),
    "percent lower": lambda v: "".join(f"%{byte:02x}" for byte in v.encode()),
    "percent every byte": lambda v: "".join(f"%{byte:02X}" for byte in v.encode()),
    "form": quote_plus,
    "path": quote,
    "json": lambda v: json.dumps({"x": v}),
    "json with slashes": lambda v: json.dumps(v).replace("/", "\\/"),
    "json twice": lambda v: json.dumps(json.dumps({"x": v})),
    "repr": repr,
    "html": html.escape,
    "zero width": lambda v: "\u200b".join(v),
    "joiners and marks": lambda v: v[:4] + "\u200d\u2060" + v[4:6] + "\ufeff\u00ad\u200e" + v[6:],
    "tags": lambda v: v[:3] + "\U000e0041\U000e007f" + v[3:],
    "zero width base64": lambda v: "\u200c".join(base64.b64encode(v.encode()).decode()),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("value", [CANARY, "hunter2!", "pässwörd-ключ", "line one\nline two of it"])
def test_a_registered_value_is_found_in_every_form(form: str, value: str) -> None:
    sent = "before " + FORMS[form](value) + " after"
    redacted = registry(value).redact(sent)
    assert redacted.hits == ("own-0",)
    assert "[redacted:own-0]" in redacted.text
    assert redacted.text.startswith("before ")
    assert redacted.text.endswith(" after")
    assert len(redacted.text) < len("before [redacted:own-0] after") + 16


@settings(max_examples=60, deadline=None)
@given(
    st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cf", "Zs", "Zl", "Zp"]), min_size=8, max_size=40),
    st.sampled_from(sorted(FORMS)),
    st.text(max_size=20),
)
def test_any_value_is_found_in_any_form_within_any_text(value: str, form: str, around: str) -> None:
    made = registry(value.strip() if len(value.strip()) >= 6 else value + "123456")
    target = value.strip() if len(value.strip()) >= 6 else value + "123456"
    if SecretRegistry().redact(target).hits or any("\ufe00" <= char <= "\ufe0f" for char in target):
        return
    assert made.redact(around + " " + FORMS[form](target) + " " + around).hits


def test_text_without_secrets_is_the_same_object() -> None:
    made = registry(CANARY)
    for text in ("", "plain", "ünïcödé", "می\u200cخواهم", "a risk-free task: https://example.org/x?y=z#password-reset"):
        assert made.redact(text).text is text


def test_overlapping_secrets_leave_nothing_of_either() -> None:
    made = registry("abcdefgh", "efghijkl", "cdefghij")
    assert made.redact("x abcdefghijkl y").text == "x [redacted:own-0] y"
    assert made.redact("abcdefghabcdefgh").text == "[redacted:own-0][redacted:own-0]"


def test_a_value_that_begins_inside_a_keyword_is_found() -> None:
    assert registry("wordABCDEF").redact("passwordABCDEF").text == "pass[redacted:own-0]"


def test_case_is_kept_apart() -> None:
    assert registry("AbCdEfGh").redact("abcdefgh").hits == ()


def test_several_lines_are_found_one_at_a_time() -> None:
    key = "-----BEGIN X-----\n" + "\n".join(f"{n}MIIEvQIBADANBgkqhkiG9w0" for n in range(5)) + "\n-----END X-----\n"
    made = registry(key)
    assert "MIIEvQ" not in made.redact(f"log: {key.splitlines()[3]} end").text
    assert made.redact(key).text == "[redacted:own-0]\n"


def test_matches_across_pieces_of_a_long_text_are_found() -> None:
    made = registry(CANARY)
    for at in range((1 << 18) - 20, (1 << 18) + 2):
        assert made.redact("a" * at + CANARY + "b" * 50).text == "a" * at + "[redacted:own-0]" + "b" * 50


def test_adding_removing_and_expiry_take_effect_at_once() -> None:
    now = [0.0]
    made = SecretRegistry(now=lambda: now[0])
    assert made.redact(CANARY).hits == ()
    made.add(CANARY + "\n", "token")
    assert made.redact(CANARY).hits == ("token",)
    made.add(CANARY, "renamed")
    assert (len(made), made.redact(CANARY).hits) == (1, ("renamed",))
    made.remove(CANARY)
    made.remove("never known")
    assert made.redact(CANARY).hits == ()
    made.add(CANARY, "short-lived", expires_in=10)
    made.add("another-secret", "longer", expires_in=20)
    now[0] = 9.9
    assert made.redact(CANARY).hits == ("short-lived",)
    now[0] = 10.0
    assert made.redact(CANARY + " another-secret").hits == ("longer",)
    now[0] = 20.0
    made.add("third-secret", "third")
    assert len(made) == 1


@pytest.mark.parametrize(
    "value, name",
    [
        ("short", "x"),
        ("   abc   ", "x"),
        ("x" * 70_000, "x"),
        ("long enough", ""),
        ("long enough", "a]b"),
        ("abcdef", "abcdef"),
    ],
)
def test_a_value_or_name_that_cannot_work_is_refused_without_being_repeated(value: str, name: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        SecretRegistry().add(value, name)
    assert value not in str(caught.value)


def test_the_number_of_values_is_bounded() -> None:
    made = SecretRegistry()
    for number in range(MAX_VALUES):
        made.add(f"secret-{number:06}", "many")
    with pytest.raises(ConfigurationError):
        made.add("one-too-many", "many")
    made.add("secret-000000", "many")
    assert made.redact("x secret-000999 y").text == "x [redacted:many] y"


def test_a_registry_shows_nothing_and_does_not_travel() -> None:
    made = registry(CANARY)
    assert CANARY not in repr(made)
    with pytest.raises(TypeError):
        pickle.dumps(made)


def test_lone_surrogates_do_not_hide_a_secret() -> None:
    assert registry(CANARY).redact(f"\ud800{CANARY}\udfff").text == "\ufffd[redacted:own-0]\ufffd"


def test_many_threads_may_add_and_redact() -> None:
    made = SecretRegistry()
    failures: list[str] = []

    def work(number: int) -> None:
        for round_ in range(20):
            value = f"value-{number}-{round_}-xyz"
            made.add(value, "t")
            if "t" not in made.redact(f"a {value} b").hits:
                failures.append(value)
            made.remove(value)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def _fastest(made: SecretRegistry, text: str) -> float:
    times = []
    for _ in range(3):
        began = time.process_time()
        made.redact(text)
        times.append(time.process_time() - began)
    return min(times)


def test_ordinary_text_costs_next_to_nothing() -> None:
    made = registry(*(f"{n:04}-correct-horse-battery" for n in range(20)))
    made.redact("")
    assert _fastest(made, "The quick brown fox jumps over the lazy dog. " * 23_000) < 0.1


FLOODS = (
    "password=", "password: '", "://", "://a:", "eyJ", "eyJaaaaaa.aaaaaa",
    "-----BEGIN ", "-----BEGIN PRIVATE KEY-----", "sk-",
    "secret secret ", "bearer  ", "authorization: bearer ", "AKIA ",
    "\u200b", "a\u200b", "ghp_", "-----END -----BEGIN ", "aaaaaaaa",
)  # fmt: skip


@pytest.mark.parametrize("unit", FLOODS, ids=ascii)
def test_a_flood_of_near_misses_takes_linear_time(unit: str) -> None:
    made = registry("aaaaaaaa", CANARY)
    made.redact("")
    small, large = (_fastest(made, unit * (size // len(unit))) for size in (1 << 14, 1 << 17))
    assert large < max(small, 0.01) * 8 * 4


def test_missing_libraries_are_told_when_the_server_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    require()
    monkeypatch.setitem(sys.modules, "ahocorasick_rs", None)
    with pytest.raises(ConfigurationError, match="ahocorasick"):
        require()


def sealed(value: str = CANARY) -> SecretValue:
    return SecretValue.from_text(value, None)


def test_a_secret_value_shows_itself_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    class Input(BaseModel):
        token: SecretValue

    made = Input.model_validate({"token": CANARY})
    logging.getLogger("test").warning("args %s %r %s", made, made.token, made.token)
    shown = [str(made), repr(made), f"{made.token}", made.model_dump_json(), str(made.model_dump()), caplog.text]
    assert all(CANARY not in text and "kX9" not in text for text in shown)
    assert json.loads(made.model_dump_json()) == {"token": "[secret]"}
    assert made.token.reveal() == CANARY
    schema = Input.model_json_schema()["properties"]["token"]
    assert (schema["writeOnly"], schema["format"]) == (True, "password")


def test_secret_values_compare_by_value_and_travel_to_a_worker() -> None:
    assert sealed() == sealed()
    assert sealed() != sealed("other-value")
    assert sealed() != CANARY
    assert hash(sealed()) == hash(sealed())
    assert sealed().fingerprint != sealed("other-value").fingerprint
    for twin in (pickle.loads(pickle.dumps(sealed())), copy.deepcopy(sealed())):  # noqa: S301 - made right here
        assert twin.reveal() == CANARY


def test_an_empty_secret_is_refused() -> None:
    class Input(BaseModel):
        token: SecretValue

    with pytest.raises(InvalidArguments):
        sealed("")
    with pytest.raises(ValidationError):
        Input.model_validate({"token": ""})


def test_a_group_of_values_is_replaced_as_a_whole_and_counts_towards_the_bound() -> None:
    now = [0.0]
    secrets = SecretRegistry(now=lambda: now[0])
    secrets.add(CANARY, "own-0")
    secrets.keep("keys", ["one-of-the-file", "two-of-the-file", "one-of-the-file "])
    assert len(secrets) == 3
    assert secrets.redact("two-of-the-file, elif-eht-fo-eno").text == "[redacted:keys], [redacted:keys]"
    assert not secrets.quiet(b'["one-of-the-file"]')
    secrets.keep("keys", ["three-of-the-file"])
    assert secrets.redact("one-of-the-file three-of-the-file").text == "[redacted:keys] [redacted:keys]"
    now[0] += 600
    assert secrets.redact("one-of-the-file three-of-the-file").text == "one-of-the-file [redacted:keys]"
    with pytest.raises(ConfigurationError):
        secrets.keep("keys", [f"value-{number:05}" for number in range(MAX_VALUES)])
    with pytest.raises(ConfigurationError):
        secrets.keep("keys", ["short"])
    assert secrets.redact("three-of-the-file").hits == ("keys",), "what was kept before is kept still"
    secrets.keep("keys", [f"value-{number:05}" for number in range(MAX_VALUES - 1)])
    with pytest.raises(ConfigurationError):
        secrets.add("one-more-value", "more")
    secrets.keep("keys", [])
    now[0] += 600
    assert secrets.redact("value-00001").hits == ()
    assert len(secrets) == 1


def test_invisible_characters_beside_a_secret_go_with_it() -> None:
    """Alone they would be hidden text: a joiner stays only beside the letter that it was typed for."""
    out = Outgoing(registry("geheim-\u06cc"))
    for text in ("x geheim-\u06cc\u200cy", "\u0628\u200dgeheim-\u06cc", "\u200ageheim-\u06cc\ufe0f"):
        left = out.text(text)
        assert "[redacted:own-0]" in left
        assert clean(left) == left == out.text(left)
