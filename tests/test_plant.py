"""A server's parts are built from its settings, started, and stopped in order whatever happened."""

from __future__ import annotations

import asyncio
import logging
import stat
import threading
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from support.calls import ask, code, living, logged, server_in, text

from holdfast import DatabaseTool, Depends, FileTool, ReadPath, ReadQuery, Server, ToolInput, WritePath
from holdfast.core.bases import Table
from holdfast.core.context import Context
from holdfast.core.reach import build_sandbox
from holdfast.errors import AuditUnavailable, ConfigurationError, MissingSetting
from holdfast.plant import Plant
from holdfast.testing import Workspace, settings_for


async def read(path: ReadPath) -> str:
    """Read a file."""
    return await path.read_text()


async def write(path: WritePath) -> str:
    """Write a file."""
    await path.write_text("x")
    return "written"


async def select(query: ReadQuery) -> int:
    """Count rows."""
    return len((await query.rows()).rows)


class Search(FileTool):
    """Search without arguments that need a workspace."""

    async def run(self, args: ToolInput, ctx: Context) -> str:
        return ctx.workspace.name if hasattr(ctx.workspace, "name") else "found"


class Count(DatabaseTool):
    """Count without arguments that need a database."""

    class Input(ToolInput):
        """The statement."""

        query: ReadQuery

    async def run(self, args: Input, ctx: Context) -> Table:
        return await self.select(args.query)


@pytest.mark.parametrize(
    "operation, said",
    [
        (read, "tool read needs a workspace folder: set HOLDFAST_WORKSPACE"),
        (select, "tool select needs a database: set HOLDFAST_DATABASE"),
        (Search, "tool search needs a workspace folder: set HOLDFAST_WORKSPACE"),
        (Count, "tool count needs a database: set HOLDFAST_DATABASE"),
    ],
)
async def test_a_tool_that_takes_what_the_server_cannot_give_is_refused_at_the_start(
    tmp_path: Path, operation: Any, said: str
) -> None:
    server = server_in(tmp_path)
    server.add(operation) if isinstance(operation, type) else server.tool(operation)
    threads = threading.active_count()
    with pytest.raises(MissingSetting, match=said):
        async with server.serving():
            raise AssertionError("it serves")
    assert threading.active_count() <= threads + 1, "what was begun has ended, but for an idle thread of the loop's"


async def test_a_workspace_and_a_database_reach_the_tools_that_take_them(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    workspace.write("note.txt", "inside")
    workspace.table("pet", "name TEXT", [("Rex",), ("Tom",)])
    server = Server("both", settings=workspace.settings(urls__allow=("127.0.0.1:1",), log__file=tmp_path / "log"))
    server.tool(read)
    server.tool(select)
    async with living(server) as live:
        assert text(await ask(live, "read", {"path": "note.txt"})) == "inside"
        assert text(await ask(live, "select", {"query": "SELECT name FROM pet"})) == "2"
    assert any("urls.allow" in line.get("setting", "") for line in logged(tmp_path))


async def test_a_read_only_workspace_refuses_writing(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    server = Server("readers", settings=workspace.settings(workspace_read_only=True))
    server.tool(write)
    async with living(server) as live:
        assert code(await ask(live, "write", {"path": "new.txt"})).startswith("path.")
    assert list(workspace.path.iterdir()) == []


@pytest.mark.parametrize("settings", [{"workspace": "absent"}, {"database": "absent.sqlite"}])
def test_a_workspace_or_database_that_is_not_there_is_refused(tmp_path: Path, settings: dict[str, str]) -> None:
    given = {key: str(tmp_path / value) for key, value in settings.items()}
    server = Server("absent", settings=settings_for(tmp_path, **given))
    with pytest.raises(ConfigurationError, match=next(iter(settings))):
        build_sandbox(server.load_settings())


@pytest.mark.parametrize("name", ["no/../slash", "..", "", "ünïcode", "a b"])
async def test_the_state_folder_is_named_after_the_server_and_stays_beneath_its_place(
    tmp_path: Path, name: str
) -> None:
    async with living(server_in(tmp_path, name)) as live:
        folder = live.plant.lasting.state_dir()
    assert folder.parent == tmp_path / "state"
    assert folder.resolve().parent == (tmp_path / "state").resolve()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_state_folder_that_cannot_be_made_is_refused_without_naming_it(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where the folder should be")
    with pytest.raises(ConfigurationError, match="set HOLDFAST_STATE") as raised:
        Plant("stateless", server_in(tmp_path).load_settings())
    assert str(tmp_path) not in str(raised.value)


def test_an_audit_log_that_cannot_be_opened_is_refused_unless_the_settings_say_otherwise(tmp_path: Path) -> None:
    (tmp_path / "audit").mkdir()
    server = server_in(tmp_path, audit__file=tmp_path / "audit")
    with pytest.raises(AuditUnavailable):
        Plant("audited", server.load_settings())


async def test_with_fail_open_a_broken_audit_log_is_told_and_served_over(tmp_path: Path) -> None:
    (tmp_path / "audit").mkdir()
    server = server_in(tmp_path, audit__file=tmp_path / "audit", audit__fail_open=True)

    @server.tool
    async def change() -> str:
        return "changed"

    async with living(server) as live:
        assert text(await ask(live, "change")) == "changed"
        report = await live.plant.health.report()
        assert (report.status, report.checks["audit"].status) == ("degraded", "failed")
    assert any(line["event"] == "audit" for line in logged(tmp_path))


async def test_an_audit_log_elsewhere_and_none_at_all_can_be_had(tmp_path: Path) -> None:
    server = server_in(tmp_path, audit__file=tmp_path / "elsewhere.jsonl")

    @server.tool
    async def change() -> str:
        return "changed"

    async with living(server) as live:
        await ask(live, "change")
    assert "change" in (tmp_path / "elsewhere.jsonl").read_text()
    async with living(server_in(tmp_path, audit__enabled=False)) as live:
        assert live.plant.parts.audit is None
        assert "audit" not in (await live.plant.health.report()).checks
    assert any("audit.enabled=false" in line.get("setting", "") for line in logged(tmp_path))


async def test_the_operators_own_secrets_leave_through_no_answer(tmp_path: Path) -> None:
    tokens, key = {"ada": "token-of-ada-0001", "eve": {"token": "token-of-eve-0002"}}, "k" * 40 + "ey-of-the-operator"
    server = server_in(tmp_path, auth__tokens=tokens, secrets__keys=(key,))

    @server.tool
    async def tell() -> str:
        return f"token-of-ada-0001 token-of-eve-0002 {key} fine"

    async with living(server) as live:
        said = text(await ask(live, "tell"))
    assert "token-of" not in said
    assert "operator" not in said
    assert "fine" in said


async def test_a_damaged_store_is_set_aside_and_told_and_gives_nobody_a_new_quota(tmp_path: Path) -> None:
    folder = tmp_path / "state" / "inside"
    folder.mkdir(parents=True)
    (folder / "state.sqlite").write_bytes(b"this is no database" * 1_000)
    server = server_in(tmp_path, limits__quota="5/day")

    @server.tool
    async def tool() -> str:
        return "served"

    async with living(server) as live:
        assert "quota.exceeded" in text(await ask(live, "tool"))
        report = await live.plant.health.report()
        assert (report.status, report.checks["quotas"].status) == ("degraded", "failed")
        (folder / "state.sqlite.damaged-1").unlink()
        assert text(await ask(live, "tool")) == "served", "the operator has taken note"
    async with living(server) as live:
        assert (await live.plant.health.report()).checks["quotas"].status == "ok"
    assert any(line["event"] == "state.damaged" for line in logged(tmp_path))


async def test_the_heartbeat_is_watched_and_tells_of_blocks(tmp_path: Path) -> None:
    import time

    server = server_in(tmp_path, watchdog__heartbeat=0.01, watchdog__lag=0.05)

    @server.tool
    async def block() -> str:
        time.sleep(0.3)
        return "slept"

    async with server.serving() as live:
        heart = live.plant.heartbeat
        assert heart is not None
        while heart._task is None or live.plant.metrics.snapshot()["loop_lag_seconds"] == 0:
            await asyncio.sleep(0.01)
        for _ in range(20):  # each is seen, but where it stood is not when the watching thread was held up meanwhile
            assert text(await ask(live, "block")) == "slept"
            await asyncio.sleep(0.05)
            if "time.sleep(0.3)" in (tmp_path / "log").read_text():
                break
        page = live.plant.metrics.render()[0].decode()
        assert (await live.plant.health.report()).checks["loop"].status in ("ok", "degraded")
    assert "holdfast_interrupts 0.0" in page
    blocks = [line for line in logged(tmp_path) if line["event"] == "loop.blocked"]
    assert any("time.sleep(0.3)" in line["stack"] for line in blocks)


async def test_whatever_an_author_wrote_is_interrupted_when_it_blocks_the_loop_past_the_deadline(
    tmp_path: Path,
) -> None:
    import time

    server = server_in(tmp_path, watchdog__heartbeat=0.01, watchdog__lag=0.02, limits__timeout=0.3)

    def slow_provider() -> str:
        time.sleep(10)
        return "late"

    def closing() -> Iterator[str]:
        yield "it"
        time.sleep(10)

    def lesser() -> str:
        time.sleep(10)
        return "late"

    @server.tool
    async def provided(it: str = Depends(slow_provider)) -> str:
        return it

    @server.tool
    async def closed(it: str = Depends(closing)) -> str:
        return it

    @server.tool(fallback=lesser)
    async def fallen() -> str:
        raise RuntimeError

    async with server.serving() as live:
        begun = time.monotonic()
        codes = [code(await ask(live, tool)) for tool in ("provided", "closed", "fallen")]
        assert time.monotonic() - begun < 5
        assert live.plant.heartbeat is not None
        assert live.plant.heartbeat.interrupts == 3
    assert codes[:2] == ["deadline.exceeded"] * 2
    assert codes[2] in ("deadline.exceeded", "tool.failed")


async def test_tokens_that_can_be_guessed_are_told_of_without_being_shown(tmp_path: Path) -> None:
    log = tmp_path / "log"
    async with living(server_in(tmp_path, auth__tokens='["abc", "a-token-nobody-guesses"]', log__file=log)):
        pass
    assert "auth.tokens: 1 shorter than 16 characters" in log.read_text()
    assert '"abc"' not in log.read_text()


async def test_without_a_watchdog_there_is_no_heartbeat_and_that_is_told(tmp_path: Path) -> None:
    async with server_in(tmp_path, watchdog__enabled=False).serving() as live:
        assert live.plant.heartbeat is None
        assert (await live.plant.health.report()).checks["loop"].status == "ok"
        assert "holdfast_interrupts 0.0" in live.plant.metrics.render()[0].decode()
    assert any("watchdog.enabled=false" in line.get("setting", "") for line in logged(tmp_path))


async def test_what_libraries_log_goes_the_same_way_while_serving_and_no_longer_after(tmp_path: Path) -> None:
    async with living(server_in(tmp_path)):
        logging.getLogger("a.library").warning("look out")
    logging.getLogger("a.library").warning("too late")
    text_of_log = (tmp_path / "log").read_text()
    assert "look out" in text_of_log
    assert "too late" not in text_of_log


async def test_leftovers_of_interrupted_writes_are_swept_at_the_start(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    workspace.write("kept.txt", "kept")
    async with living(Server("sweeper", settings=workspace.settings())) as live:
        root = live.plant.parts.sandbox.workspace
        assert root is not None
        await asyncio.sleep(0)
    assert [entry.name for entry in workspace.path.iterdir()] == ["kept.txt"]


async def test_stopping_ends_threads_handlers_and_descriptors(tmp_path: Path) -> None:
    import os

    workspace = Workspace(tmp_path)
    server = Server("ends", settings=workspace.settings(limits__quota="5/day", log__file=tmp_path / "log"))

    @server.tool
    def work() -> str:
        return "done"

    async with server.serving() as live:  # what is opened once for all comes first
        await ask(live, "work")
    await asyncio.sleep(0.05)
    before, threads = len(os.listdir("/proc/self/fd")), threading.active_count()
    async with server.serving() as live:
        await ask(live, "work")
        assert threading.active_count() > threads
    for _ in range(100):
        if threading.active_count() <= threads:
            break
        await asyncio.sleep(0.01)
    assert threading.active_count() <= threads
    assert len(os.listdir("/proc/self/fd")) <= before


async def test_processes_are_started_for_the_first_tool_that_needs_them_and_ended_with_the_server(
    tmp_path: Path,
) -> None:
    async with AsyncExitStack() as stack:
        plant = Plant("processes", server_in(tmp_path).load_settings())
        await plant.start(stack)
        pool = plant.processes()
        assert plant.processes() is pool
    assert pool._closed
