"""The evidence is bounded and says what it leaves out."""

from __future__ import annotations

from holdfast_attack.link.transcript import HEAD, TAIL, Transcript


def test_short_ones_are_kept_as_they_are_and_begin_anew_with_each_case() -> None:
    transcript = Transcript()
    transcript.wrote(b"one")
    transcript.wrote(b"two")
    transcript.read(b"three")
    assert (transcript.sent, transcript.got) == (b"onetwo", b"three")
    transcript.restart()
    assert (transcript.sent, transcript.got) == (b"", b"")


def test_of_long_ones_the_beginning_and_the_end_are_kept() -> None:
    transcript = Transcript()
    for _ in range(50):
        transcript.wrote(b"a" * 10_000)
    transcript.wrote(b"THE END")
    assert len(transcript.sent) < HEAD + TAIL + 60
    assert transcript.sent.startswith(b"aaa")
    assert transcript.sent.endswith(b"THE END")
    assert f"{500_007 - HEAD - TAIL:,} bytes".encode() in transcript.sent


def test_one_chunk_that_is_longer_than_both_parts_is_cut_in_the_middle() -> None:
    transcript = Transcript()
    transcript.read(b"b" * 100 + b"m" * 1_000_000 + b"e" * 100)
    assert transcript.got.startswith(b"b" * 100 + b"m")
    assert transcript.got.endswith(b"e" * 100)
