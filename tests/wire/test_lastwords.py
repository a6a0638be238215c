"""Whose call a worker was in when it ended itself or crashed: told, and nobody beside it is blamed."""

from __future__ import annotations

import faulthandler
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support.soaking import LONG
from support.supervised import supervised

from holdfast.core.context import current_context
from holdfast.supervisor.lastwords import LastWords
from holdfast.wire.lastwords import accused, noting


def guilty() -> str:
    return os.urandom(1).hex()


def innocent() -> str:
    return "nothing"


def told(line: int, name: str = "guilty") -> str:
    other = f'Thread 0x01 (most recent call first):\n  File "{__file__}", line 36 in innocent\n\n'
    stack = f'  File "/lib/ctypes.py", line 9 in string_at\n  File "{__file__}", line {line} in {name}\n'
    return f"Fatal Python error: Segmentation fault\n\n{other}Current thread 0x02 (most recent call first):\n{stack}\n"


LIVE: Any = SimpleNamespace(
    snapshot=SimpleNamespace(
        named={
            "tool": {
                function.__name__: SimpleNamespace(operation=SimpleNamespace(work=lambda function=function: function))
                for function in (guilty, innocent)
            }
        }
    )
)
WHERE = guilty.__code__.co_firstlineno + 1


@pytest.mark.parametrize(
    "words, found",
    [
        (told(WHERE), {"guilty"}),
        (told(WHERE + 40), set()),
        (told(WHERE, "other"), set()),
        ("Fatal Python error: Aborted\n\n", set()),
        ("", set()),
    ],
)
def test_the_tool_whose_code_is_on_the_stack_that_crashed_is_accused(words: str, found: set[str]) -> None:
    assert accused(words.encode(), {"guilty", "innocent", "one that is gone"}, LIVE) == found


def test_leaving_by_the_shortest_way_names_the_running_tool_and_a_child_names_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    left: list[int] = []
    named: list[str] = []
    monkeypatch.setattr(os, "_exit", left.append)
    words = LastWords()
    worker: Any = SimpleNamespace(memory=SimpleNamespace(last_words=words), standing=named.append)
    before = os._exit
    with noting(worker):
        os._exit(1)
        token = current_context.set(SimpleNamespace(tool="leave"))  # type: ignore[arg-type]
        os._exit(2)
        monkeypatch.setattr(os, "getpid", lambda: 1)
        os._exit(3)
        current_context.reset(token)
    assert (left, named) == ([1, 2, 3], ["leave"])
    assert os._exit == before
    assert faulthandler.is_enabled(), "pytest's, and left alone"
    os.close(words.fd)


@pytest.mark.parametrize("how", ["exit", "crash"] if LONG else ["crash"])
def test_who_was_only_beside_a_tool_that_ended_two_workers_is_not_put_away(how: str, tmp_path: Path) -> None:
    with supervised(tmp_path) as kept:
        kept.spared()
        beside = kept.begin("nap", seconds=1)
        assert "error" in kept.answer(kept.begin("leave", how=how)), "it is idempotent, so two workers had it"
        assert "supervisor.quarantined" in str(kept.answer(kept.begin("leave", how=how)))
        assert kept.value(beside) == kept.worker()
        assert ("Segmentation fault" in kept.errors.read_text()) == (how == "crash")
