"""The pytest plugin as an author uses it: in a test run of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

SOURCE = Path(__file__).parents[2] / "src"


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the tests of a project that has only the plugin."""
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / "test_author.py").write_text(
        dedent(
            """\
            import asyncio
            import pytest
            from holdfast import ReadPath, Server

            async def test_that_waits(holdfast_clock):
                waiting = asyncio.ensure_future(holdfast_clock.sleep(3600))
                await holdfast_clock.advance(3600)
                assert waiting.done()

            async def test_a_tool(holdfast_workspace):
                holdfast_workspace.write("note.txt", "inside")
                server = Server("notes", settings=holdfast_workspace.settings())

                @server.tool(read_only=True)
                async def read(path: ReadPath) -> str:
                    return await path.read_text()

                async with server.client() as client:
                    answer = await client.call_tool("read", {"path": "note.txt"})
                assert answer.content[0].text == "inside"

            async def test_that_fails(tmp_path):
                assert tmp_path is None

            def test_that_is_plain(holdfast_workspace, holdfast_clock):
                assert holdfast_workspace.path.is_dir()
                assert holdfast_clock.now() == 1000.0
            """
        )
    )
    environment = {**os.environ, "PYTHONPATH": str(SOURCE), "PYTEST_ADDOPTS": ""}
    command = [sys.executable, "-m", "pytest", "-p", "holdfast.testing.plugin", "-p", "no:anyio", "-q", *words]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_it_runs_coroutine_tests_and_gives_a_clock_and_a_workspace(tmp_path: Path) -> None:
    ran = run(tmp_path)
    assert "3 passed" in ran.stdout
    assert "1 failed" in ran.stdout
    assert "test_that_fails" in ran.stdout
    assert "never awaited" not in ran.stdout + ran.stderr


def test_where_another_plugin_runs_coroutines_it_leaves_them_alone(tmp_path: Path) -> None:
    (tmp_path / "asyncio_stub.py").write_text(
        dedent(
            """\
            import pytest

            class Stub:
                @pytest.hookimpl
                def pytest_pyfunc_call(self, pyfuncitem):
                    print("THE OTHER ONE")
                    return True

            def pytest_configure(config):
                config.pluginmanager.register(Stub(), "asyncio")
            """
        )
    )
    ran = run(tmp_path, "-p", "asyncio_stub", "-s", "-k", "waits")
    assert "THE OTHER ONE" in ran.stdout
    assert "1 passed" in ran.stdout


def test_its_fixtures_are_described(tmp_path: Path) -> None:
    ran = run(tmp_path, "--fixtures")
    assert "A clock that stands still until it is moved." in ran.stdout
    assert "A workspace folder of the test's own." in ran.stdout


async def test_it_can_be_read_without_a_test_run(tmp_path: Path) -> None:
    from holdfast.testing import plugin

    assert callable(plugin.pytest_pyfunc_call)
    with pytest.raises(pytest.fail.Exception, match=r"called directly|was called"):
        plugin.holdfast_clock()
