"""Bounds before building, strict parsing, walking without recursion, and writing that cannot fail on odd values."""

from __future__ import annotations

import json as stdlib_json
import time
import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.errors import InputTooLarge, InvalidArguments, OutputInvalid, OutputTooLarge, ProtocolError
from holdfast.safe import json
from holdfast.safe.json import Bounds, JsonMalformed, JsonTooLarge, check_value, dumps, loads, scan

SMALL = Bounds(bytes=1_000, depth=3, elements=5, string=20, integer_digits=12)


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
    | st.sampled_from(['"', "\\", '\\"', "[", "]{", "a,b", "\\\\"]),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.text(max_size=4, alphabet='a"\\[{,é'), inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


def measure(value: Any) -> tuple[int, int]:
    """(elements, depth) by the plainest means."""
    if not isinstance(value, dict | list):
        return 0, 0
    children = list(value.values()) if isinstance(value, dict) else value
    below = [measure(child) for child in children]
    return len(children) + sum(count for count, _ in below), 1 + max((deep for _, deep in below), default=0)


@settings(max_examples=500, deadline=None)
@given(VALUES, st.sampled_from([None, 1]), st.booleans())
def test_scan_and_walk_count_exactly_what_is_there(value: Any, indent: int | None, ascii_only: bool) -> None:
    elements, depth = measure(value)
    raw = stdlib_json.dumps(value, indent=indent, ensure_ascii=ascii_only).encode()
    just = Bounds(depth=max(depth, 1), elements=max(elements, 1), integer_digits=200)
    assert stdlib_json.dumps(loads(raw, just)) == stdlib_json.dumps(value)
    assert check_value(value, just) >= 0
    for tighter in (
        Bounds(depth=max(depth, 1), elements=elements - 1, integer_digits=200) if elements > 1 else None,
        Bounds(depth=depth - 1, elements=max(elements, 1), integer_digits=200) if depth > 1 else None,
    ):
        if tighter is not None:
            for judge in (lambda b: scan(raw, b), lambda b: check_value(value, b)):
                with pytest.raises(JsonTooLarge):
                    judge(tighter)


PLAIN_VALUES = st.one_of(st.text(max_size=12), st.integers(), st.booleans(), st.none(), st.floats(allow_nan=False))


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.text(max_size=6), PLAIN_VALUES, max_size=18))
def test_flat_values_are_measured_as_the_walk_would(value: dict[str, Any]) -> None:
    """A list around them is not flat: it takes the walk, and counts two bytes itself."""
    bounds = Bounds(integer_digits=400)
    try:
        walked = check_value([value], bounds)
    except InvalidArguments:
        with pytest.raises(InvalidArguments):
            check_value(value, bounds)
        return
    assert check_value(value, bounds) == walked - 2


@pytest.mark.parametrize("bounds", [Bounds(bytes=20), Bounds(string=10), Bounds(elements=2), Bounds(depth=1)])
def test_flat_values_keep_every_bound(bounds: Bounds) -> None:
    value = {"first": "x" * 12, "second": "y" * 12, "third": "z" * 12}
    if bounds.depth == 1:
        assert check_value(value, bounds)
        return
    with pytest.raises(InputTooLarge):
        check_value(value, bounds)


@pytest.mark.parametrize(
    "raw",
    [b'{"a":1,"a":1}', b'{"a":{"b":1,"b":2}}', b'{"a":1,"a":1e5}', b'{"a":100000.0,"a":1e5}', b'{"aa":1,"aa":1.0}',
     b'{"a":"\\u0041","a":"x"}', b'[{"k":1},{"k":1,"k":1}]', b'{"":0,"":0}', b'{"a":1e999}',
     b'{"a":' + b"9" * 65 + b"}"],
)  # fmt: skip
def test_compact_messages_are_as_strict_as_others(raw: bytes) -> None:
    with pytest.raises((JsonMalformed, JsonTooLarge)):
        loads(raw)


@given(st.dictionaries(st.text(max_size=5), PLAIN_VALUES, min_size=1, max_size=4), st.integers(0, 3))
def test_a_name_that_comes_twice_is_found_in_compact_json(value: dict[str, Any], which: int) -> None:
    name = list(value)[which % len(value)]
    whole = stdlib_json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    twice = f"{whole[:-1]},{stdlib_json.dumps(name, ensure_ascii=False)}:{stdlib_json.dumps(value[name])}}}"
    with pytest.raises(JsonMalformed):
        loads(twice.encode("utf-8", "surrogatepass"), Bounds(integer_digits=400))


@given(VALUES)
def test_the_size_of_a_value_is_about_that_of_its_json(value: Any) -> None:
    size, real = (
        check_value(value, Bounds(integer_digits=200)),
        len(stdlib_json.dumps(value, ensure_ascii=False).encode()),
    )
    assert size <= 4 * real + 200
    assert real <= 8 * size + 200


@pytest.mark.parametrize(
    "value",
    ["x" * 21, "é" * 11, {"k" * 21: 1}, {"é" * 11: 1}, 10**40, 1 << 14_000, -(10**12) * 10**20,
     nested(4), {"a": {"b": {"c": {}}}}, [1] * 6,
     {"a": [1, 2, 3, 4, 5]}, [["y"] * 3] * 2],
)  # fmt: skip
def test_what_is_too_large_is_refused_as_such(value: Any) -> None:
    with pytest.raises(InputTooLarge) as caught:
        check_value(value, SMALL)
    assert "xx" not in caught.value.message


def test_the_whole_size_is_bounded_too() -> None:
    with pytest.raises(JsonTooLarge):
        check_value(["x" * 90] * 4, Bounds(bytes=300))


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), [-float("inf")], "\ud800", {"\udc00": 1}, {1: 2}, {None: 1}, (1, 2), {1, 2}, b"x",
     object(),
     [[["deep", b"x"]]]],
)  # fmt: skip
def test_what_json_cannot_hold_is_refused(value: Any) -> None:
    with pytest.raises(InvalidArguments):
        check_value(value)


def test_cycles_and_shared_branches_end_at_a_bound() -> None:
    cycle: list[Any] = []
    cycle.append(cycle)
    with pytest.raises(JsonTooLarge):
        check_value(cycle)
    laughs: Any = "ha"
    for _ in range(40):
        laughs = [laughs, laughs]
    with pytest.raises(JsonTooLarge):
        check_value(laughs)
    with pytest.raises(JsonTooLarge):
        check_value(nested(100_000), Bounds(depth=200))


@pytest.mark.parametrize(
    "raw",
    [
        b"x" * 1_001,
        b"[[[[]]]]",
        b'{"a":{"b":{"c":{}}}}',
        b"[1,2,3,4,5,6]",
        b"[[],[],[],[],[],[]]",
        b'["a","b","c","d","e","f"]',
        b'[["a"],["b"],["c"]]',
        b"[1234567890123]",
        b"[-1234567890123]",
        b'["' + b"x" * 21 + b'"]',
        b'"' + b"x" * 21 + b'"',
        b"[" * 900,
    ],
)
def test_a_document_beyond_a_bound_is_refused_before_it_is_built(raw: bytes) -> None:
    with pytest.raises(InputTooLarge):
        loads(raw, SMALL)


def test_brackets_commas_and_quotes_inside_strings_do_not_count() -> None:
    raw = stdlib_json.dumps(["[[[[{{{{,,,,,,", '\\"[[[,,,,,"', "\\"]).encode()
    assert len(loads(raw, Bounds(bytes=1_000, depth=1, elements=3))) == 3


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"{", b"nul", b"[1,]", b"{'a':1}", b'{"a":1,}', b"[1 2]", b'"\x01"', b"\xef\xbb\xbf1", b'"\xff"',
        b'"\xed\xa0\x80"',
        b'{"a":1,"a":2}', b'[{"b":{"x":1,"\\u0078":2}}]',
        b"NaN", b"[Infinity]", b"-Infinity", b"1e999", b"[-1E+999]", b"1e0000999",
        b'"\\ud800"', b'{"\\uDC00":1}', b'"\\udc00\\ud800"', b"]" * 100, b"1 1", b"01", b"+1", b".5", b"\\[[[[",
    ],
)  # fmt: skip
def test_what_is_not_strict_json_is_a_parse_error(raw: bytes) -> None:
    with pytest.raises(ProtocolError) as caught:
        loads(raw)
    assert caught.value.rpc_code == -32700


def test_well_formed_oddities_are_kept() -> None:
    assert loads(b'"\\ud83d\\ude00"') == "\U0001f600"
    assert (
        loads(b"[1e99, 1E5, 123456789012345678901234567890, 12345678901.5, 1e-999]")[2]
        == 123456789012345678901234567890
    )
    assert loads(b' {"a": {}, "A": [ ]} ') == {"a": {}, "A": []}  # CVE-2026-27896: case is not folded
    assert loads(b"[-123456789012]", SMALL) == [-123456789012]


@pytest.mark.parametrize("open_", [b"[", b'{"a":'])
@pytest.mark.parametrize("padding", [0, 5_000])
def test_depth_is_bounded_however_large_the_document_around_it(open_: bytes, padding: int) -> None:
    """Brackets are counted with a short cut in large documents: only while there are eight of each at most."""
    close = {b"[": b"]"}.get(open_, b"}")
    for depth in (8, 9, 64):
        loads(b" " * padding + open_ * depth + b"1" + close * depth)
    with pytest.raises(JsonTooLarge, match="nested deeper"):
        loads(b" " * padding + open_ * 65 + b"1" + close * 65)
    with pytest.raises(JsonTooLarge, match="nested deeper"):
        loads(b" " * padding + open_ * 5 + b"1" + close * 5, Bounds(depth=4))


@pytest.mark.parametrize("open_, close", [(b"[", b"]"), (b'{"":', b"}")])
def test_depth_is_bounded_where_a_large_document_begins_with_it(open_: bytes, close: bytes) -> None:
    large = b'"' + b"x" * 5_000 + b'"'
    loads(open_ * 64 + large + close * 64)
    with pytest.raises(JsonTooLarge, match="nested deeper"):
        loads(open_ * 65 + large + close * 65)


def test_an_answer_whose_text_must_be_mended_may_be_as_deep_as_any() -> None:
    value: Any = "\ud800"
    for _ in range(200):
        value = [value]
    assert dumps(value).startswith(b"[" * 200 + b'"')
    with pytest.raises(OutputInvalid):
        dumps([value])


def test_a_flood_of_short_texts_is_refused_before_it_is_taken_apart() -> None:
    raw = b"[" + b'"ab",' * 200_000 + b"1]"
    tracemalloc.start()
    with pytest.raises(JsonTooLarge, match="more than 1000 values"):
        loads(raw, Bounds(elements=1_000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * len(raw)
    most = b"{" + b",".join(b'"%d":"x"' % number for number in range(1_000)) + b"}"
    assert len(loads(most, Bounds(elements=1_000))) == 1_000


@pytest.mark.parametrize("raw", [b'["1234567890123",%s]', b'{"a":%s,"b":"1234567890123"}', b"[%s , 1234567890]"])
def test_text_is_bounded_by_the_strict_parser_too(raw: bytes) -> None:
    """Digits in a text look like a number that is too long, so the strict parser is asked."""
    short, long, lone = b'"' + b"x" * 20 + b'"', b'"' + b"x" * 21 + b'"', b'"\\ud800"'
    assert "x" * 20 in str(loads(raw % short, SMALL))
    with pytest.raises(JsonTooLarge, match="longer than 20 bytes"):
        loads(raw % long, SMALL)
    with pytest.raises(JsonMalformed, match="surrogate"):
        loads(raw % lone)


HOSTILE = (
    b"{},",
    b"[],",
    b"[",
    b"]",
    b'"',
    b'\\"',
    b'"\\',
    b'"a",',
    b"1,",
    b'{"a":',
    b"\\",
    b"\xff",
    b"9",
    b'"",',
    b"[]",
)


@pytest.mark.parametrize("unit", HOSTILE, ids=repr)
@pytest.mark.parametrize("prefix", [b"", b"[", b'"'])
def test_a_mebibyte_of_anything_is_judged_quickly(unit: bytes, prefix: bytes) -> None:
    raw = prefix + unit * ((1 << 20) // len(unit))
    began = time.process_time()
    with pytest.raises((JsonTooLarge, JsonMalformed)):
        loads(raw, Bounds(bytes=1 << 23))
    assert time.process_time() - began < 3


def test_writing_is_compact_and_survives_what_json_has_not() -> None:
    assert (
        dumps({"a": [1, None, "é"], "b": float("nan"), "c": [float("inf")]})
        == '{"a":[1,null,"é"],"b":null,"c":[null]}'.encode()
    )
    assert (
        dumps({"\ud800": ["a\udfff", "\ud83d\ude00", {"x": ("t", 1)}]})
        == '{"\ufffd":["a\ufffd","\U0001f600",{"x":["t",1]}]}'.encode()
    )
    assert dumps(10**100) == str(10**100).encode()


def test_what_cannot_be_written_or_is_too_large_is_a_refusal() -> None:
    cycle: list[Any] = []
    cycle.append(cycle)
    for value in (cycle, nested(300), object(), ["\ud800", object()], [nested(300), "\ud800"], [nested(210), "\ud800"]):
        with pytest.raises(OutputInvalid):
            dumps(value)
    assert dumps("x" * 8, max_bytes=10) == b'"xxxxxxxx"'
    with pytest.raises(OutputTooLarge):
        dumps("x" * 9, max_bytes=10)


@given(VALUES)
def test_what_is_written_is_read_back(value: Any) -> None:
    assert loads(dumps(value), Bounds(integer_digits=200)) == value


def test_the_module_does_not_hide_the_standard_one() -> None:
    assert json.json is stdlib_json


# -- the fast parser and the strict one ------------------------------------------------------------------------------


def judged(raw: bytes, bounds: Bounds) -> str:
    """What comes out, to the last digit, or what is said against it."""
    try:
        return repr(loads(raw, bounds))
    except ProtocolError as error:
        return f"{type(error).__name__}: {error.message}"
    except InputTooLarge as error:
        return f"{type(error).__name__}: {error.message}"


def both_judge(raw: bytes, bounds: Bounds = json.DEFAULT) -> tuple[str, str]:
    def refuse(*_: Any, **__: Any) -> Any:
        raise ValueError

    with pytest.MonkeyPatch.context() as patch:
        fast = judged(raw, bounds)
        patch.setattr(json, "from_json", refuse)  # then only the strict one is asked
        return fast, judged(raw, bounds)


ODD = (
    b"0", b"-0", b"-0.0", b"1e5", b"1E+05", b"1e-400", b"1e308", b"1e309", b"-1E999", b"1e0000000001", b"0e999",
    b"0.0e-0",
    b"1.7976931348623159e308", b"1.7976931348623158e308", b"5e-324", b"2e-324", b"0.1", b"1" * 64, b"1" * 65,
    b"-" + b"9" * 64, b"-" + b"9" * 65, b"1" * 400 + b".0", b"0." + b"3" * 100, b"1" * 64 + b"e99", b"1" * 64 + b"e250",
    b"1" * 5_000, b"9007199254740993", b"9007199254740993.0", b"1.", b".1", b"01", b"-", b"+1", b"1e", b"0x1", b"1_0",
    b"NaN", b"nan", b"Infinity", b"-Infinity", b"inf", b"True", b"nul", b"null", b"true", b"false",
    b'""', b'"\\u0000"', b'"\\ud83d\\ude00"', b'"\\ud83d"', b'"\\ude00"', b'"\\ud83dx"', b'"\\ude00\\ud83d"',
    b'"\\u12"',
    b'"\\x41"', b'"\\/"', b'"\x7f"', b'"\x00"', b'"\t"', b'"a:b"', b'":"', b'"\\":"', b'"\\\\"', b'"\\\\\\":{"',
    b'"\xc3\xa9"', b'"\xff"', b'"\xc0\x80"', b'"\xed\xa0\x80"', b'"\xf4\x90\x80\x80"', b'"\xef\xbf\xbf"',
    b"\xef\xbb\xbf1",
    b"{}", b"[]", b"[ ]", b"{ }", b"[1,]", b"[,1]", b"{,}", b'{"a":1,}', b'{"a" 1}', b"{a:1}", b"{1:1}", b'{"a"\n:\t1}',
    b'{"a":1,"a":1}', b'{"a":1,"a" :1}', b'{"a":1,"\\u0061":1}', b'{"a":{"b":1,"b":2}}', b'{"a":{"x":{}},"a":2}',
    b'{"a":":","a":2}', b'{"a":"\\u003a","a":2}', b'{"a":1,"A":1}', b'{"":1,"":1}', b'{"a":1,"b":"c:d"}',
    b"1 1", b"[1]x", b"[1]\x00", b"\x0c1", b"//x", b"[1/**/]", b"'a'", b"", b" ", b"\n",
)  # fmt: skip


@pytest.mark.parametrize("raw", ODD, ids=lambda raw: repr(raw)[:40])
@pytest.mark.parametrize(
    "frame",
    [b"%s", b"[%s]", b'{"k":%s}', b'{"url":"http://x","k":[%s]}', b'["' + b"x" * 3_000 + b'",%s]',
     b"[" + b"1," * 200 + b"%s]"],
    ids=["bare", "list", "object", "colons", "sparse", "many"],
)  # fmt: skip
def test_both_parsers_agree_on_every_oddity(frame: bytes, raw: bytes) -> None:
    fast, strict = both_judge(frame % raw)
    assert fast == strict


def joined(open_: bytes, close: bytes, items: list[bytes]) -> bytes:
    return open_ + b",".join(items) + close


pieces = st.sampled_from(ODD) | st.integers().map(lambda n: str(n).encode()) | st.floats().map(
    lambda n: stdlib_json.dumps(n).encode()
)  # fmt: skip
names = st.sampled_from(
    [b'"a"', b'"b"', b'"\\u0061"', b'"a:"', b'"\xc3\xa9"', b'"\\u00e9"', b'"c" ', b'"\\":"', b'"d"', b'"e"']
)
documents = st.recursive(
    pieces,
    lambda inner: (
        st.lists(inner, max_size=5).map(lambda items: joined(b"[", b"]", items))
        | st.lists(st.builds(lambda k, v: k + b":" + v, names, inner), max_size=5).map(lambda i: joined(b"{", b"}", i))
    ),
    max_leaves=15,
)


@settings(max_examples=400, deadline=None)
@given(
    documents,
    st.integers(0, 200),
    st.sampled_from([b"", b'"', b"\\", b",", b":", b"}", b"]", b"[", b"{", b"e9", b"\xff"]),
)
def test_both_parsers_agree_on_documents_whole_and_broken(document: bytes, at: int, more: bytes) -> None:
    for raw in (document, document[:at] + more + document[at:], document[:at] + more + document[at + 1 :]):
        for bounds in (Bounds(), Bounds(bytes=300, depth=3, elements=8, string=6, integer_digits=10)):
            fast, strict = both_judge(raw, bounds)
            assert fast == strict


@settings(max_examples=150, deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(["%r", "%.25e", "%.40f", "%.3e"]))
def test_both_parsers_read_the_same_number(number: float, form: str) -> None:
    fast, strict = both_judge((form % number).encode())
    assert fast == strict


@settings(max_examples=150, deadline=None)
@given(
    st.lists(VALUES, min_size=1, max_size=60)
    | st.lists(st.integers(), min_size=17)
    | st.lists(st.integers(-(1 << 53), 1 << 53), min_size=17)
    | st.lists(st.floats(), min_size=17)
    | st.lists(st.text(st.characters(exclude_categories=()), max_size=60), min_size=17)
    | st.lists(st.text("abc", max_size=45), min_size=17)
)
def test_many_values_alike_weigh_as_much_as_when_each_is_looked_at(values: list[Any]) -> None:
    def weighed(value: Any) -> int | str:
        try:
            return check_value(value, Bounds(string=40, integer_digits=12))
        except (InputTooLarge, InvalidArguments) as error:
            return error.message

    alike, looked_at = weighed(values), weighed([*values, None])  # the stranger among them makes it look at each
    assert (alike == looked_at) if isinstance(alike, str) else (alike + 5 == looked_at)


def test_a_document_of_exactly_as_many_bytes_as_there_may_be_is_read() -> None:
    text = b"[" + b"1," * 5_000 + b"1]"
    assert len(loads(text, Bounds(bytes=len(text), elements=6_000))) == 5_001
    with pytest.raises(JsonTooLarge):
        loads(text, Bounds(bytes=len(text) - 1, elements=6_000))
