"""Declared flags and operands become words; everything else is refused."""

from __future__ import annotations

import pickle
import time
from typing import Any

import pytest

from holdfast.errors import ConfigurationError, UnsafeCommand
from holdfast.safe.argv import Flag, Operand, Subcommand
from holdfast.safe.paths import ReadPath

LOG = Subcommand(
    "log",
    flags=(
        Flag("--stat"),
        Flag("--max-count", takes="int", max=50),
        Flag("--format", takes="choice", choices=("oneline", "full")),
        Flag("--author", takes="text", max_length=10, pattern="[a-z]+"),
        Flag("-n", takes="text"),
        Flag("--depth", takes="int", min=-3, max=3),
    ),
    operands=(Operand("revision"), Operand("path", many=True, optional=True, path=True, lead="--")),
    fixed=("--no-color",),
    separator="--end-of-options",
)


def test_words_come_in_the_declared_order_with_the_separator_before_operands() -> None:
    flags = {"--stat": True, "--max-count": 3, "--format": "full", "--author": "ann", "-n": "x", "--depth": -2}
    assert LOG.words(flags, ["HEAD", "a", "b/c"]) == [
        *("log", "--no-color", "--stat", "--max-count=3", "--format=full", "--author=ann", "-n", "x", "--depth=-2"),
        *("--end-of-options", "HEAD", "--", "a", "b/c"),
    ]


def test_an_optional_operand_may_be_left_out_and_another_not() -> None:
    assert LOG.words({}, ["HEAD"]) == ["log", "--no-color", "--end-of-options", "HEAD", "--"]
    with pytest.raises(UnsafeCommand, match="revision is missing"):
        LOG.words({}, [])


def test_a_switch_that_is_off_adds_no_word_and_an_empty_name_neither() -> None:
    assert Subcommand("", flags=(Flag("-z"),), separator=None).words({"-z": False}, []) == []


@pytest.mark.parametrize(
    "flags",
    [
        {"--output": "x"},
        {"--stat": "yes"},
        {"--stat": 1},
        {"--max-count": 51},
        {"--max-count": -1},
        {"--max-count": True},
        {"--max-count": "3"},
        {"--max-count": 3.0},
        {"--format": "raw"},
        {"--format": ["full"]},
        {"--author": "ANN"},
        {"--author": "a" * 11},
        {"--author": 7},
        {"--author": "a\n"},
        {"-n": "-x"},
        {"-n": ""},
        {"-n": "\u2212x"},
        {"-n": "a\0b"},
        {"-n": "\udcff"},
        {"-n": "\x9b31m"},
    ],
)
def test_a_flag_that_does_not_fit_its_declaration_is_refused_without_echoing_it(flags: dict[str, Any]) -> None:
    with pytest.raises(UnsafeCommand) as caught:
        LOG.words(flags, ["HEAD"])
    assert caught.value.code == "command.flag"
    assert "ANN" not in caught.value.message
    assert "--output" not in caught.value.message


@pytest.mark.parametrize(
    "operands",
    [
        [],
        ["-x"],
        ["-"],
        ["--output=/x"],
        ["@file"],
        ["+cmd"],
        [""],
        ["a\0"],
        ["a\nb"],
        ["\ud800"],
        ["a\u2028b"],
        [7],
        ["a" * 257],
        ["HEAD", "/etc/passwd"],
        ["HEAD", "../x"],
        ["HEAD", "a/../../x"],
        ["HEAD", ".git/config"],
        ["HEAD", "a/.env"],
        ["HEAD", "~root"],
        ["HEAD", "C:x"],
        ["HEAD", "a\\b"],
        "HEAD",
        ["HEAD"] * 1001,
    ],
)
def test_an_operand_that_could_be_read_otherwise_is_refused(operands: Any) -> None:
    with pytest.raises(UnsafeCommand) as caught:
        LOG.words({}, operands)
    assert caught.value.code == "command.operand"


def test_a_dot_is_a_path_and_a_pattern_may_admit_more() -> None:
    assert Operand("path", path=True).word("./a") == "./a"
    assert Operand("at", pattern="[@+]x").word("@x") == "@x"
    with pytest.raises(UnsafeCommand):
        Operand("at", pattern="[a-z]+").word("A")
    with pytest.raises(UnsafeCommand):
        Operand("dash", pattern="-x").word("-x")


def test_more_operands_than_declared_are_refused() -> None:
    with pytest.raises(UnsafeCommand, match="fewer"):
        Subcommand("x", operands=(Operand("one"),)).words({}, ["a", "b"])


@pytest.mark.parametrize("name", ["", "max", "---x", "-", "--", "--a=b", "--a b", "-ab cd"])
def test_a_flag_is_declared_by_its_whole_name(name: str) -> None:
    with pytest.raises(ConfigurationError):
        Flag(name)


def test_contradictory_declarations_are_errors_at_build() -> None:
    with pytest.raises(ConfigurationError, match="go together"):
        Flag("--a", takes="choice")
    with pytest.raises(ConfigurationError, match="go together"):
        Flag("--a", choices=("x",))
    with pytest.raises(ConfigurationError, match="twice"):
        Subcommand("x", flags=(Flag("-a"), Flag("-a")))
    with pytest.raises(ConfigurationError, match="last operand"):
        Subcommand("x", operands=(Operand("a", many=True), Operand("b")))


@pytest.mark.parametrize("pattern", ["(a+)+", "(a|a)*b", r"(a)\1", "(?=a)b", "a*b*c*d*", "(a){2,}", "(?P<n>a)"])
def test_cve_2026_0621_a_pattern_that_may_backtrack_for_ever_is_refused_at_build(pattern: str) -> None:
    with pytest.raises(ConfigurationError):
        Operand("x", pattern=pattern)
    with pytest.raises(ConfigurationError):
        Flag("--x", takes="text", pattern=pattern)


def test_an_accepted_pattern_answers_quickly_on_hostile_text() -> None:
    operand = Operand("x", pattern="a*a*a*b(?:c)?[)*+]?")
    started = time.perf_counter()
    with pytest.raises(UnsafeCommand):
        operand.word("a" * 256)
    assert time.perf_counter() - started < 1.0


def test_declarations_can_be_sent_to_another_process() -> None:
    assert pickle.loads(pickle.dumps(LOG)) == LOG  # noqa: S301  # our own bytes


def test_a_compiled_pattern_does_not_travel() -> None:
    for made in (Flag("--x", takes="text", pattern="[a-z]+"), Operand("x", pattern="[a-z]+")):
        assert b"re2" not in pickle.dumps(made)
    again: Operand = pickle.loads(pickle.dumps(Operand("x", pattern="[a-z]+")))  # noqa: S301  # our own bytes
    assert again.word("a") == "a"
    with pytest.raises(UnsafeCommand):
        again.word("A")


def test_a_whole_number_without_a_declared_end_ends_at_31_bits() -> None:
    count = Flag("--count", takes="int")
    assert count.words(2**31 - 1) == ["--count=2147483647"]
    for value in (2**31, -1):
        with pytest.raises(UnsafeCommand):
            count.words(value)


class Like:
    """Says that it is whatever it is compared with, and reads as something else."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        return True

    def __str__(self) -> str:
        return "--output=/etc/passwd"


def test_a_choice_is_text_and_not_what_claims_to_be_equal_to_it() -> None:
    with pytest.raises(UnsafeCommand):
        Flag("--format", takes="choice", choices=("full",)).words(Like())


def test_a_required_flag_is_asked_for_only_where_it_is_missing() -> None:
    made = Subcommand("x", flags=(Flag("--a", takes="text", required=True), Flag("--b")))
    assert made.words({"--a": "1"}, []) == ["x", "--a=1", "--"]
    with pytest.raises(UnsafeCommand, match="--a is missing"):
        made.words({"--b": True}, [])


def test_the_flags_that_there_are_are_named() -> None:
    for made, told in ((LOG, "--stat, --max-count, --format, --author, -n, --depth"), (Subcommand("x"), "none")):
        with pytest.raises(UnsafeCommand) as caught:
            made.words({"--output": "x"}, [])
        assert caught.value.message == f"takes only the flags: {told}"


# -- paths in words ---------------------------------------------------------------------------------------------------


def test_a_handle_is_taken_for_its_path_where_a_path_is_declared_and_nowhere_else() -> None:
    assert Operand("path", path=True).word(ReadPath("a/b", None)) == "a/b"
    with pytest.raises(UnsafeCommand):
        Operand("word").word(ReadPath("a/b", None))


SHOW = Subcommand(
    "show",
    operands=(Operand("object", path_after=":"), Operand("path", many=True, optional=True, path=True, opened=True)),
    of_path=Subcommand("show-file", operands=(Operand("file", path_after=":", opened=True),), separator=None),
)


def test_another_declaration_takes_over_where_a_word_has_a_path_in_it() -> None:
    assert SHOW.words({}, ["HEAD", "x"]) == ["show", "--", "HEAD", "x"]
    assert SHOW.words({}, ["HEAD:a/b"]) == ["show-file", "HEAD:a/b"]
    assert list(SHOW.paths(["HEAD", "x"])) == [("x", True)]
    assert list(SHOW.paths(["HEAD:a/b"])) == [("a/b", True)]
    with pytest.raises(UnsafeCommand, match="fewer"):
        SHOW.words({}, ["HEAD:a/b", "x"])


def test_a_word_with_a_path_in_it_needs_no_other_declaration() -> None:
    made = Subcommand("x", operands=(Operand("object", path_after=":"),), separator=None)
    assert made.words({}, ["HEAD:a"]) == ["x", "HEAD:a"]
    assert list(made.paths(["HEAD:a"])) == [("a", False)]
    assert list(made.paths(["HEAD"])) == []


@pytest.mark.parametrize("value", [7, None, ["HEAD:a"], {":": 1}])
def test_a_word_that_is_no_text_has_no_path_in_it_and_is_refused(value: object) -> None:
    with pytest.raises(UnsafeCommand) as caught:
        SHOW.words({}, [value])
    assert caught.value.code == "command.operand"


@pytest.mark.parametrize(
    "hide, words",
    [
        ("flags", ["x", "-z", "NOT", "--", "a"]),
        ("end", ["x", "-z", "--", "a", "NOT"]),
        ("never", ["x", "-z", "--", "a"]),
    ],
)
def test_what_is_hidden_stands_where_the_program_looks_for_it(hide: Any, words: list[str]) -> None:
    made = Subcommand("x", flags=(Flag("-z"),), operands=(Operand("a"),), hide=hide)
    assert made.words({"-z": True}, ["a"], ["NOT"]) == words


def test_a_silent_name_is_ours_alone() -> None:
    assert Subcommand("read", silent=True, operands=(Operand("a"),)).words({}, ["b"]) == ["--", "b"]


def test_as_many_operands_as_there_may_be_are_taken() -> None:
    assert LOG.words({}, ["HEAD"] + ["a"] * 999)[-999:] == ["a"] * 999
    with pytest.raises(UnsafeCommand):
        LOG.words({}, ["HEAD"] + ["a"] * 1_000)
