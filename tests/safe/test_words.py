"""Words: their length as the kernel counts it, and patterns that cannot be made slow."""

from __future__ import annotations

import time

import pytest

from holdfast.errors import ConfigurationError, UnsafeCommand
from holdfast.safe.commands import Operand, Program, Subcommand
from holdfast.safe.descendants import Mark
from holdfast.safe.launching import Bounds, Launch, Starter
from holdfast.safe.words import MAX_WORD, MAX_WORDS, check_total, clean, matcher

WIDE = Operand("word", many=True, max_length=1 << 20)
PRINT = Program("printf", prefix=("%.1s",), subcommands=[Subcommand("", operands=(WIDE,), separator=None)])


def test_words_as_long_as_admitted_do_start() -> None:
    assert PRINT.argv("", operands=["x" * MAX_WORD]).run_sync().text() == "x"
    whole = ["x" * 1000] * 900
    assert PRINT.argv("", operands=whole).run_sync().text() == "x" * 900


@pytest.mark.parametrize(
    "words", [["x" * (MAX_WORD + 1)], ["\u00e9" * (MAX_WORD // 2 + 1)], ["x" * 1100] * 1000, ["x" * 100_000] * 11]
)
def test_longer_ones_are_refused_before_anything_starts(words: list[str]) -> None:
    with pytest.raises(UnsafeCommand) as caught:
        PRINT.argv("", operands=words)
    assert caught.value.code == "command.too_long"
    assert "xxx" not in caught.value.message


def test_no_words_at_all_are_fine_and_every_word_costs_its_pointer() -> None:
    check_total([])
    check_total([""] * (MAX_WORDS // 9))
    with pytest.raises(UnsafeCommand):
        check_total([""] * (MAX_WORDS // 9 + 1))


def test_words_of_exactly_the_most_bytes_are_taken() -> None:
    rest = MAX_WORDS - 7 * (MAX_WORD + 9) - 9
    check_total(["x" * MAX_WORD] * 7 + ["x" * rest])
    with pytest.raises(UnsafeCommand):
        check_total(["x" * MAX_WORD] * 7 + ["x" * (rest + 1)])


def test_a_word_of_exactly_its_length_is_taken() -> None:
    assert clean("x" * 7, 7, "it", "command.option") == "x" * 7
    with pytest.raises(UnsafeCommand, match="at most 7"):
        clean("x" * 8, 7, "it", "command.option")


@pytest.mark.parametrize(
    "words, code", [(("/bin/true", "x" * (MAX_WORD + 1)), "command.too_long"), (("/bin/true", "\0"), "command.start")]
)
def test_what_the_kernel_refuses_all_the_same_is_a_refusal(words: tuple[str, ...], code: str) -> None:
    with pytest.raises(UnsafeCommand) as caught:
        Starter(Launch(words, (), Bounds()), Mark.new()).begin()
    assert caught.value.code == code


def test_a_pattern_takes_time_in_proportion_to_the_text() -> None:
    pattern = matcher("a*a*a*b")
    started = time.perf_counter()
    assert not pattern.fullmatch("a" * 100_000)
    assert time.perf_counter() - started < 1.0


@pytest.mark.parametrize("pattern", ["(", "[", "(?P<n>a)", r"\1", "(?=a)", "(a+)+", r"\Z"])
def test_a_pattern_that_is_none_is_an_error_at_build(pattern: str) -> None:
    with pytest.raises(ConfigurationError):
        matcher(pattern)
