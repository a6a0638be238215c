"""Fixtures for every test: coroutine tests run in a fresh event loop each."""

from __future__ import annotations

import asyncio
import compileall
import inspect
import os
import signal
import sys
from collections.abc import Generator
from itertools import zip_longest
from pathlib import Path

import pytest
from hypothesis import settings
from support.postgres import postgres  # noqa: F401 - a fixture for every test

# CI tries the same examples each time, so that a red run says something about the change; elsewhere they are new.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")

SOURCE = Path(__file__).resolve().parents[1] / "src"
STARTERS = ("subprocess", "HttpPeer", "StdioPeer", "supervised", "multiprocessing", "ProcessPool")
"""What a module of tests imports when it starts processes."""

USUAL = {
    signal.SIGINT: signal.default_int_handler,
    signal.SIGHUP: signal.SIG_DFL,
    signal.SIGQUIT: signal.SIG_DFL,
    signal.SIGTERM: signal.SIG_DFL,
}

MEASURED = (
    "cli/test_run.py", "isolation/", "safe/", "supervisor/test_guardian.py", "supervisor/test_http.py",
    "supervisor/test_lifecycle.py", "supervisor/test_parent.py", "supervisor/test_renewing.py",
    "wire/test_ending.py", "wire/test_eras.py", "wire/test_status.py", "wire/test_takeover.py",
)  # fmt: skip
"""Tests in whose processes coverage counts what is run. It makes the start of a server take twice as long (1.2 s of a
processor, not 0.65), and what the others start runs the same lines. The watchdog's must not be among them: in CPython
3.11 a thread that is traced spins for as long as a signal waits for a main thread that is in C code, and the watchdog
sends such signals."""


def pytest_configure(config: pytest.Config) -> None:
    """Compile the source once: where byte code is not written (PYTHONDONTWRITEBYTECODE, as in many images), each of a
    thousand servers would do so by itself, for a fifth of a second.

    And no signal is ignored, as ``nohup`` and a shell without job control have it for what they start: the tests send
    them to servers, which would inherit that."""
    for number, usual in USUAL.items():
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, usual)
    if hasattr(config, "workerinput"):
        return
    compileall.compile_dir(SOURCE, quiet=2)
    config.option.loadscopereorder = False  # xdist's own order: many tests first, not those that take long


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Keep what pytest makes of 350 modules of tests (a third of a minute, in each worker) for the next run."""
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, False
    try:
        return (yield)
    finally:
        sys.dont_write_bytecode = before


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Modules that start processes in turn with modules that compute, as long as there are any of the former: those
    wait while these work, and they take long, so that one of them at the end would keep a single worker busy."""
    modules: dict[Path, list[pytest.Item]] = {}
    for item in items:
        modules.setdefault(item.path, []).append(item)
    kinds: tuple[list[list[pytest.Item]], list[list[pytest.Item]]] = ([], [])
    for found in modules.values():
        kinds[starts_nothing(found[0])].append(found)
    items[:] = [item for pair in zip_longest(*kinds, fillvalue=()) for module in pair for item in module]


def starts_nothing(item: pytest.Item) -> bool:
    """Whether a test's module knows nothing of processes."""
    known = vars(getattr(item, "module", None) or object)
    return not any(name in known for name in STARTERS)


@pytest.fixture(scope="module", autouse=True)
def _measured_or_not(request: pytest.FixtureRequest) -> Generator[None]:
    """Keep coverage out of the processes that most modules start."""
    place = request.path.relative_to(SOURCE.parent / "tests").as_posix()
    with pytest.MonkeyPatch.context() as patch:
        if not place.startswith(MEASURED):
            for name in ("COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG"):
                patch.delenv(name, raising=False)
        yield


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Save what a worker has covered before it says that it is done: from then on it gets 10 s to end (xdist), and on a
    busy machine all that it had seen was lost with it."""
    measuring = sys.modules["coverage"].Coverage.current() if "coverage" in sys.modules else None
    if measuring is not None and hasattr(session.config, "workerinput"):
        measuring.stop()
        measuring.save()


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run ``async def`` tests to their end, with a loop of their own and debug checks for forgotten tasks."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    asyncio.run(pyfuncitem.obj(**arguments))
    return True
