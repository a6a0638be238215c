"""Fixtures for every test: coroutine tests run in a fresh event loop each."""

from __future__ import annotations

import asyncio
import inspect
import os

import pytest
from hypothesis import settings
from support.postgres import postgres  # noqa: F401 - a fixture for every test

# CI tries the same examples each time, so that a red run says something about the change; elsewhere they are new.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run ``async def`` tests to their end, with a loop of their own and debug checks for forgotten tasks."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    asyncio.run(pyfuncitem.obj(**arguments))
    return True
