"""The words of a server's own command line."""

from __future__ import annotations

from typing import Any

import pytest

from holdfast.wire.script import chosen


@pytest.mark.parametrize(
    "words, transport, options",
    [
        ([], "stdio", {}),
        (["stdio"], "stdio", {}),
        (["http"], "http", {}),
        (["http", "0"], "http", {"port": 0}),
        (["http", "65535", "--host", "0.0.0.0", "--auth"], "http", {"port": 65535, "host": "0.0.0.0", "auth": True}),
    ],
)
def test_words_that_make_sense_choose_the_transport(words: list[str], transport: str, options: dict[str, Any]) -> None:
    assert chosen("x", words) == (transport, {"host": None, "port": None, "auth": None} | options)


@pytest.mark.parametrize(
    "words, said",
    [
        (["stdio", "8000"], "stdio has no port"),
        (["smtp"], "invalid choice"),
        (["http", "65536"], "a port is a number from 0 to 65535"),
        (["http", "eighty"], "a port is a number"),
        (["http", "-1"], "a port is a number"),
        (["http", "٨٠"], "a port is a number"),
        (["http", "80", "81"], "81"),
        (["http", "--hos", "x"], "--hos"),
    ],
)
def test_words_that_make_none_end_with_status_2_and_a_usage_line(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        chosen("x", words)
    assert left.value.code == 2
    told = capsys.readouterr().err
    assert said in told
    assert "usage:" in told
