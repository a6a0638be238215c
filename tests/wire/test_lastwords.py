"""Whose call a worker was in when it ended itself or crashed: told, and nobody beside it is blamed."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support.soaking import LONG
from support.supervised import supervised

from holdfast.core.context import current_context
from holdfast.supervisor.aside import Aside
from holdfast.supervisor.deaths import mark
from holdfast.supervisor.memory import PAGE, STANDING, Memory
from holdfast.wire.lastwords import guilty, noting


def stands() -> str:
    return os.urandom(1).hex()


def beside() -> str:
    return "nothing"


def told(line: int, name: str = "stands") -> bytes:
    other = f'Thread 0x{1:016x} (most recent call first):\n  File "{__file__}", line {WHERE} in beside\n'
    stack = f'  File "/lib/ctypes.py", line 9 in string_at\n  File "{__file__}", line {line} in {name}\n'
    head = f"Current thread 0x{2:016x} (most recent call first):"
    return f"Fatal Python error: Segmentation fault\n\n{other}\n{head}\n{stack}\n".encode()


def live(*apart: str) -> Any:
    functions = (stands, beside)
    tools = {
        function.__name__: SimpleNamespace(operation=SimpleNamespace(work=lambda function=function: function))
        for function in functions
    }
    return SimpleNamespace(
        snapshot=SimpleNamespace(named={"tool": tools}),
        plant=SimpleNamespace(hooks=SimpleNamespace(aside=None), heartbeat=None),
        endangers=lambda tool: tool not in apart,
    )


WHERE = stands.__code__.co_firstlineno + 1
BOTH = {"stands", "beside"}


@pytest.mark.parametrize(
    "report, standing, apart, found",
    [
        (told(WHERE), None, (), {"stands"}),
        (told(WHERE), "beside", (), {"beside"}),
        (told(WHERE + 40), None, (), BOTH),
        (told(WHERE, "other"), None, (), BOTH),
        (b"Fatal Python error: Aborted\n\n", None, (), BOTH),
        (b"", "stands", (), {"stands"}),
        (b"", None, (), BOTH),
        (b"", None, ("beside",), {"stands"}),
    ],
)
def test_only_the_tool_that_anything_points_at_is_guilty(
    report: bytes, standing: str | None, apart: tuple[str, ...], found: set[str], capfd: pytest.CaptureFixture[str]
) -> None:
    memory = Memory.create(slots=1, message=PAGE, answer=PAGE)
    worker: Any = SimpleNamespace(memory=memory)
    memory.words[STANDING] = 0 if standing is None else mark(standing)
    Aside(memory).take()
    os.write(memory.fd, report)
    lives = live(*apart)
    assert guilty(worker, BOTH, lives) == found
    assert guilty(worker, BOTH, live()) == BOTH, "what was told counts once"
    assert lives.plant.hooks.aside is not None
    assert capfd.readouterr().err == report.decode()
    os.close(memory.fd)


def test_leaving_by_the_shortest_way_names_the_running_tool_and_a_child_names_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    left: list[int] = []
    named: list[str] = []
    monkeypatch.setattr(os, "_exit", left.append)
    worker: Any = SimpleNamespace(standing=named.append)
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


@pytest.mark.parametrize("how", ["exit", "crash"] if LONG else ["crash"])
def test_who_was_only_beside_a_tool_that_ended_two_workers_is_not_put_away(how: str, tmp_path: Path) -> None:
    with supervised(tmp_path) as kept:
        kept.spared()
        beside = kept.begin("nap", seconds=1)
        assert "error" in kept.answer(kept.begin("leave", how=how)), "it is idempotent, so two workers had it"
        assert "supervisor.quarantined" in str(kept.answer(kept.begin("leave", how=how)))
        assert kept.value(beside) == kept.worker()
        assert ("Segmentation fault" in kept.errors.read_text()) == (how == "crash")
