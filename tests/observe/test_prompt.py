"""Printing to a pipe never waits for its reader; what found no room is counted and told."""

from __future__ import annotations

import os
import time
from pathlib import Path

from holdfast.observe.prompt import prompt_writer

ROOM = 65_536


def test_what_is_read_in_time_arrives_whole_and_what_is_not_is_told() -> None:
    lost: list[int] = []
    reader, writer = os.pipe()
    prompt = prompt_writer(writer, lost.append)
    assert prompt is not None
    prompt.write(b"first\n")
    assert os.read(reader, 100) == b"first\n"
    began = time.monotonic()
    for _ in range(200):
        prompt.write(b"x" * 4_096)
    assert time.monotonic() - began < 1, "the reader's lateness is waited for once"
    got = 0
    os.set_blocking(reader, False)
    while True:
        try:
            got += len(os.read(reader, 1_000_000))
        except BlockingIOError:
            break
    assert got + sum(lost) == 200 * 4_096
    prompt.write(b"again\n")
    assert os.read(reader, 1_000) == (
        b"\n[%d bytes that were printed here are lost: nobody read them in time]\nagain\n" % sum(lost)
    )
    assert os.get_blocking(writer), "the flag is not the one that others share"
    prompt.close()
    os.close(reader)
    os.close(writer)


def test_a_reader_that_left_costs_no_more_than_the_words() -> None:
    lost: list[int] = []
    reader, writer = os.pipe()
    prompt = prompt_writer(writer, lost.append)
    assert prompt is not None
    os.close(reader)
    prompt.write(b"12345")
    prompt.write(b"678")
    assert lost == [5, 3]
    prompt.close()
    os.close(writer)


def test_a_file_and_a_closed_descriptor_have_no_such_way(tmp_path: Path) -> None:
    with (tmp_path / "file").open("wb") as file:
        assert prompt_writer(file.fileno(), lambda _: None) is None
    reader, writer = os.pipe()
    os.close(reader)
    os.close(writer)
    assert prompt_writer(writer, lambda _: None) is None
