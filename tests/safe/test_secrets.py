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
from holdfast.safe import secrets
from holdfast.safe.outgoing import Outgoing
from holdfast.safe.sandbox import Sandbox
from holdfast.safe.search import Search
from holdfast.safe.secrets import MAX_LENGTH, MAX_VALUES, MIN_LENGTH, SecretRegistry, SecretValue, require
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


def _once_within(made: SecretRegistry, text: str, seconds: float) -> bool:
    """As ``_fastest(...) < seconds``, and no further try when one was fast enough."""
    for _ in range(3):
        began = time.process_time()
        made.redact(text)
        if time.process_time() - began < seconds:
            return True
    return False


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
    small, flood = _fastest(made, unit * ((1 << 14) // len(unit))), unit * ((1 << 17) // len(unit))
    assert _once_within(made, flood, max(small, 0.01) * 8 * 4)


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


def test_personal_data_goes_only_where_it_is_asked_for() -> None:
    text = "of jane.doe@example.com, please"
    assert registry(personal=True).redact(text).text == "of [redacted:email], please"
    assert registry().redact(text).text is text


class Timed(SecretRegistry):
    """With a clock that is set by hand."""

    def __init__(self) -> None:
        self.time = 0.0
        super().__init__(now=lambda: self.time)


def test_the_bound_is_exact_and_what_has_expired_makes_room() -> None:
    made = Timed()
    for number in range(MAX_VALUES - 1):
        made.add(f"secret-{number:06}", "many", expires_in=10)
    made.add("the-last-one", "last")
    made.add("the-last-one", "known")
    with pytest.raises(ConfigurationError):
        made.add("one-too-many", "many")
    made.time = 10
    made.add("room-for-it", "many")
    assert len(made) == 2


def test_an_expired_value_is_not_redacted_from_its_second_on() -> None:
    made = Timed()
    made.add("lasting-value", "lasting")
    made.add(CANARY, "short", expires_in=10)
    assert made.redact(CANARY).hits == ("short",)
    version = made.version
    made.time = 10
    assert made.redact(CANARY).hits == ()
    assert made.version > version, "what was found clean or not before is looked at anew"


def test_a_value_stays_for_the_longest_time_it_was_given() -> None:
    made = Timed()
    for one, two in ((None, 5), (5, None), (5, 20), (20, 5)):
        made.add(f"value-{one}-{two}", "kept", expires_in=one)
        made.add(f"value-{one}-{two}", "kept", expires_in=two)
    made.add("learned-and-short", "kept", expires_in=5)
    made.learn("learned-and-short")
    made.time = 19
    assert made.redact("value-None-5 value-5-None value-5-20 value-20-5").text == " ".join(["[redacted:kept]"] * 4)
    made.time = 20
    assert made.redact("value-None-5 value-5-None").text == "[redacted:kept] [redacted:kept]"
    assert made.redact("value-5-20 value-20-5").hits == ()
    assert made.redact("learned-and-short").hits == ("argument",)


def test_what_a_call_has_learned_goes_with_time_or_by_hand() -> None:
    made = Timed()
    made.learn("learned-first")
    assert made.redact("learned-first").hits == ("argument",)
    made.learn("learned-second")
    made.remove("learned-second")
    assert made.redact("learned-first learned-second").text == "[redacted:argument] learned-second"
    made.time = 600
    assert made.redact("learned-first").hits == ()
    made.learn("learned-third")
    made.time = 1_200
    made.learn("learned-fourth")
    assert len(made) == 1


def test_what_is_prepared_is_kept_as_long_as_it_holds() -> None:
    """Half a second for 1,000 values: not for each text, and not because another value was learned or has ended."""
    made = Timed()
    made.add("lasting-value", "lasting")
    made.learn("learned-value")
    found = made.current()
    assert made.current() is found
    made.learn("learned-later", lasts=1_000)
    assert made.current().searches[0] is found.searches[0]
    for made.time in (1_000, 1_001):
        assert made.current().searches == found.searches[:1]
        assert made.current().searches[0] is found.searches[0]
    made.learn("learned-last", lasts=10)
    made.time = 1_011
    assert made.current() is made.current()


def test_too_many_are_refused_before_and_after_they_are_prepared(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Timed()
    really = secrets.build
    monkeypatch.setattr(secrets, "build", lambda *_: pytest.fail("prepared for nothing"))
    with pytest.raises(ConfigurationError):
        made.keep("keys", [f"value-{number:05}" for number in range(MAX_VALUES + 1)])

    def build(*arguments: object) -> Search:
        for number in range(MAX_VALUES):  # as another thread may, which waits for nobody
            made.add(f"meanwhile-{number:05}", "own")
        return really(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(secrets, "build", build)
    with pytest.raises(ConfigurationError):
        made.keep("keys", ["one-of-the-file"])
    assert len(made) == MAX_VALUES


def test_a_group_is_prepared_before_the_first_text_needs_it() -> None:
    made = SecretRegistry()
    made.keep("keys", ["one-of-the-file"])
    assert {"_main", "_sieve", "_sentinel"} <= set(vars(made.current().searches[1]))


@pytest.mark.parametrize("size", [MIN_LENGTH, MAX_LENGTH])
def test_the_shortest_and_the_longest_value_are_taken(size: int) -> None:
    learned: list[str] = []
    for length in (size, size - 1 if size == MIN_LENGTH else size + 1):
        SecretValue.from_text("x" * length, Sandbox(learn=learned.append))
    assert learned == ["x" * size]
    made = SecretRegistry()
    made.add("x" * size, "own")
    assert len(made) == 1


@pytest.mark.parametrize("library", ["re2", "ahocorasick_rs"])
def test_each_missing_library_is_told(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ConfigurationError, match="needs"):
        require()
