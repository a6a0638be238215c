"""A pytest plugin for authors: ``-p holdfast.testing.plugin`` or ``pytest_plugins = ["holdfast.testing.plugin"]``.

Gives the fixtures ``holdfast_clock`` and ``holdfast_workspace``, and runs ``async def`` tests.
"""

from __future__ import annotations

import asyncio
import inspect
from pathlib import Path

import pytest

from holdfast.testing.clock import FakeClock
from holdfast.testing.fakes import Workspace


@pytest.fixture
def holdfast_clock() -> FakeClock:
    """A clock that stands still until it is moved."""
    return FakeClock()


@pytest.fixture
def holdfast_workspace(tmp_path: Path) -> Workspace:
    """A workspace folder of the test's own."""
    return Workspace(tmp_path)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a coroutine test to its end in a loop of its own, unless another plugin is there to do it."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj) or pyfuncitem.config.pluginmanager.hasplugin("asyncio"):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    asyncio.run(pyfuncitem.obj(**arguments))
    return True
