"""Limits hold before the program's first instruction, and nothing but 0, 1 and 2 is inherited."""

from __future__ import annotations

import logging
import os
import resource
import sys
import threading
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from holdfast.errors import ConfigurationError, UnsafeCommand
from holdfast.safe import launching
from holdfast.safe.commands import Program, Subcommand
from holdfast.safe.confine import TAG, Confinement, means
from holdfast.safe.descendants import Mark
from holdfast.safe.launching import Bounds, Launch
from holdfast.safe.processes import run

REPORT = (
    "import os,resource as r;"
    "print([r.getrlimit(x) for x in (r.RLIMIT_DATA,r.RLIMIT_CPU,r.RLIMIT_NOFILE,r.RLIMIT_FSIZE,r.RLIMIT_CORE)]);"
    "print(sorted(x for x in map(int, os.listdir('/proc/self/fd')) if x < 3), len(os.listdir('/proc/self/fd')));"
    "print(os.getsid(0)==os.getpid())"
)
EXPECTED = "[(67108864, 67108864), (5, 6), (64, 64), (1024, 1024), (0, 0)]\n[0, 1, 2] 4\nTrue\n"
SMALL = Bounds(seconds=20, memory=64 << 20, cpu=5, files=64, written=1024)


def python(code: str, bounds: Bounds = SMALL) -> Launch:
    return Launch((sys.executable, "-I", "-c", code), (), bounds)


async def test_limits_session_and_descriptors_are_what_was_declared() -> None:
    with open(os.devnull) as leaked:
        os.set_inheritable(leaked.fileno(), True)
        completed = await run(python(REPORT))
    assert completed.text() == EXPECTED


async def test_a_program_that_is_sent_nothing_reads_nothing_and_is_marked_even_when_it_is_not_confined() -> None:
    completed = await run(
        python("import os; print(os.readlink('/proc/self/fd/0'), open('/proc/self/personality').read())")
    )
    standard_input, personality = completed.text().split()
    assert standard_input == "/dev/null"
    assert int(personality, 16) & TAG == TAG


async def test_without_util_linux_an_isolated_python_sets_the_same_limits(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(launching, "find_tool", lambda name: None)
    assert (await run(python(REPORT))).text() == EXPECTED
    Program("true", executable="/bin/true", subcommands=[Subcommand("")])
    assert "prlimit is not installed" in caplog.text
    assert "setpriv is not installed" in caplog.text


async def test_without_util_linux_a_confined_program_runs_too_and_is_confined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launching, "find_tool", lambda name: None)
    words = ("-I", "-S", "-c", "print(1); open('/etc/passwd')")
    code = Program("python", executable=sys.executable, prefix=words, subcommands=[Subcommand("")])
    completed = await code.argv("").run()
    assert completed.stdout == b"1\n"
    assert (b"PermissionError" in completed.stderr) == bool(means().landlock)


async def test_nothing_is_logged_from_the_thread_that_is_confined(monkeypatch: pytest.MonkeyPatch) -> None:
    """A handler that opens its file, or starts its thread, with the first record would be confined for good."""
    threads: list[str] = []

    class Noting(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            threads.append(threading.current_thread().name)

    monkeypatch.setattr(launching, "launcher", lambda bounds, mark: ["/nonexistent"])
    handler = Noting()
    launching._log.addHandler(handler)
    try:
        with pytest.raises(UnsafeCommand, match="could not be started"):
            await run(Launch(("x",), (), Bounds(), confinement=Confinement()))
    finally:
        launching._log.removeHandler(handler)
    assert threads == [threading.current_thread().name]


async def test_where_no_thread_can_be_started_the_program_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def full(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(launching.Starter, "start", full)
    directory = os.open(tmp_path, os.O_RDONLY)
    before = os.listdir("/proc/self/fd") if os.path.isdir("/proc/self/fd") else []
    with pytest.raises(UnsafeCommand, match="try again"):
        await run(Launch(("/bin/true",), (), Bounds(), directory))
    assert not before or len(os.listdir("/proc/self/fd")) == len(before)
    os.close(directory)


async def test_a_program_cannot_take_more_memory_than_declared() -> None:
    completed = await run(python("x = bytearray(200 << 20)"))
    assert completed.returncode == 1
    assert b"MemoryError" in completed.stderr


async def test_a_program_cannot_write_a_large_file(tmp_path: Path) -> None:
    completed = await run(python(f"open({str(tmp_path / 'x')!r}, 'wb').write(bytes(1 << 20))"))
    assert completed.returncode != 0
    assert (tmp_path / "x").stat().st_size <= 1024


async def test_a_program_that_only_burns_cpu_is_ended() -> None:
    completed = await run(python("while True: pass", replace(SMALL, cpu=1)))
    assert completed.returncode < 0
    assert not completed.timed_out


async def test_a_program_cannot_gain_rights_through_a_setuid_file() -> None:
    completed = await run(python("print([l for l in open('/proc/self/status') if 'NoNewPrivs' in l])"))
    assert "1" in completed.text()


async def test_a_limit_above_our_own_is_lowered_to_it() -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    completed = await run(
        python("import resource as r; print(r.getrlimit(r.RLIMIT_NOFILE)[1])", replace(SMALL, files=2**31))
    )
    assert int(completed.text()) == (hard if hard != resource.RLIM_INFINITY else 2**31)


async def test_a_program_that_cannot_start_is_a_refusal_without_its_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launching, "launcher", lambda bounds, mark: [])
    with pytest.raises(UnsafeCommand) as caught:
        await run(Launch(("/nonexistent/program",), (), SMALL))
    assert caught.value.code == "command.start"
    assert "nonexistent" not in caught.value.message


def test_a_program_that_is_missing_or_that_anyone_can_change_is_an_error_at_build(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="not installed"):
        launching.find_program("no-such-program")
    with pytest.raises(ConfigurationError, match="not installed"):
        launching.find_program(str(tmp_path))
    tool = tmp_path / "tool"
    tool.touch()
    tool.chmod(0o777)
    with pytest.raises(ConfigurationError, match="any user"):
        launching.find_program(str(tool))


@pytest.mark.parametrize(
    "folder, file, told",
    [(0o755, 0o755, ""), (0o1777, 0o755, ""), (0o777, 0o755, "any user"), (0o755, 0o757, "any user"),
     (0o755, 0o1757, "any user"), (0o755, 0o644, "not installed")],
)  # fmt: skip
@pytest.mark.parametrize("linked", [False, True])
def test_a_program_is_one_that_nobody_else_can_put_in_its_place(
    tmp_path: Path, folder: int, file: int, told: str, linked: bool
) -> None:
    """The sticky bit protects what is in a folder; on the file itself it protects nothing."""
    (tmp_path / "tools").mkdir()
    tool = tmp_path / "tools" / "tool"
    tool.touch()
    tool.chmod(file)
    (tmp_path / "tools").chmod(folder)
    (tmp_path / "linked").symlink_to(tool)
    path = str(tmp_path / "linked" if linked else tool)
    if told:
        with pytest.raises(ConfigurationError, match=told):
            launching.find_program(path)
    else:
        assert launching.find_program(path) == path


def test_what_a_system_lacks_is_told_and_what_it_has_is_not(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for tools in ((), ("prlimit",), ("setpriv",), ("prlimit", "setpriv")):
        monkeypatch.setattr(launching, "find_tool", lambda name, tools=tools: f"/bin/{name}" if name in tools else None)
        lacking = [tool for tool in ("prlimit", "setpriv") if tool not in tools]
        caplog.clear()
        launching.warn_of_missing_tools()
        assert [message.partition(" ")[0] for message in caplog.messages] == lacking
        assert [name for name in launching.missing() if name in ("prlimit", "setpriv")] == lacking


def test_our_own_python_can_be_read_and_run_only_where_it_sets_the_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launching, "find_tool", lambda name: f"/bin/{name}")
    assert launching.launchers() == (("/bin/prlimit", "/bin/setpriv"), ())
    monkeypatch.setattr(launching, "find_tool", lambda name: None)
    assert launching.launchers() == ((sys.executable,), (sys.prefix, sys.base_prefix))


async def test_what_is_sent_to_a_program_arrives_and_no_descriptor_of_its_folder_is_left(tmp_path: Path) -> None:
    folder = os.open(tmp_path, os.O_RDONLY)
    echo = Launch(("/bin/sh", "-c", "pwd -P; cat"), (), SMALL, folder)
    assert (await run(replace(echo, stdin=b"words"))).text() == f"{tmp_path.resolve()}\nwords"
    assert (await run(echo)).text() == f"{tmp_path.resolve()}\n"
    kept = 0
    for number in map(int, os.listdir("/dev/fd")):
        with suppress(OSError):  # the one that listed them
            kept += os.path.samestat(os.fstat(number), os.fstat(folder))
    assert kept == 1
    os.close(folder)


class Slow(threading.Event):
    """Leaves the thread behind by a moment, so that whoever does not wait for its end is seen not to."""

    def set(self) -> None:
        super().set()
        if isinstance(threading.current_thread(), launching.Starter):
            time.sleep(0.05)

    def wait(self, timeout: float | None = None) -> bool:
        done = super().wait(timeout)
        if isinstance(threading.current_thread(), launching.Starter):
            time.sleep(0.05)
        return done


def test_the_thread_that_starts_a_program_stays_as_long_as_the_run_and_no_longer() -> None:
    """It is by this thread that the living are known, and its end is the program's (PR_SET_PDEATHSIG)."""
    starter = launching.Starter(Launch(("/bin/sleep", "60"), (), SMALL), Mark.new())
    starter._over = Slow()
    process = starter.begin()
    starter.join(0.1)
    assert starter.is_alive()
    process.kill()
    process.communicate()
    starter.end()
    assert not starter.is_alive()


def test_the_thread_that_could_not_start_a_program_is_gone_when_that_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else it might find the error already taken, and wait for the end of a run that never began."""
    monkeypatch.setattr(launching, "launcher", lambda bounds, mark: ["/nonexistent"])
    starter = launching.Starter(python(""), Mark.new())
    starter._ready = Slow()
    with pytest.raises(UnsafeCommand, match="could not be started"):
        starter.begin()
    assert not starter.is_alive()


def test_programs_are_not_looked_up_on_the_servers_own_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planted = tmp_path / "true"
    planted.touch()
    planted.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert launching.find_program("true") != str(planted)
