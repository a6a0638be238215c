"""``holdfast run --reload``: a child that is started again when a file changes, and ends with its parent."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from holdfast.cli import reload
from holdfast.cli.discovery import Sources, Target

Write = Callable[..., Path]
SERVER = """\
import os
from holdfast import Server
server = Server("{name}")
print("loaded {name}", os.getpid(), flush=True)
"""


def wait_for(process: subprocess.Popen[str], pattern: str) -> re.Match[str]:
    assert process.stderr is not None
    for line in process.stderr:
        if found := re.search(pattern, line):
            return found
    raise AssertionError(f"ended without saying {pattern}")


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_an_edit_is_taken_over_while_the_port_stays_open_and_a_broken_one_is_refused(
    holdfast: Any, python_file: Write, http_status: Callable[[str], int]
) -> None:
    file = python_file("app.py", SERVER.format(name="first"))
    process = holdfast.start("run", file, "--http", "--port", "0", "--reload")
    assert process.stdout is not None
    address = wait_for(process, r"http://[^\s\"]+")[0].removesuffix("/mcp")
    assert process.stdout.readline().startswith("loaded first")
    python_file("app.py", "1 / 0\n")
    wait_for(process, "reload_refused")
    assert http_status(f"{address}/livez") == 200
    python_file("app.py", SERVER.format(name="third"))
    wait_for(process, "supervisor.reloaded")
    assert http_status(f"{address}/livez") == 200
    pid = next(int(line.split()[-1]) for line in process.stdout if line.startswith("loaded third"))
    process.terminate()
    _, err = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "Traceback" not in err
    assert not is_alive(pid)


def test_without_a_supervisor_an_edit_starts_the_server_again_and_a_broken_one_is_waited_out(
    holdfast: Any, python_file: Write, http_status: Callable[[str], int]
) -> None:
    file = python_file("app.py", SERVER.format(name="first"))
    process = holdfast.start("run", file, "--http", "--port", "0", "--reload", HOLDFAST_SUPERVISE="false")
    wait_for(process, r"http://[^\s\"]+")
    python_file("app.py", "1 / 0\n")
    wait_for(process, r"app\.py:1: ZeroDivisionError")
    wait_for(process, "the server ended with status 2; waiting for a change")
    python_file("app.py", SERVER.format(name="third"))
    address = wait_for(process, r"http://[^\s\"]+")[0].removesuffix("/mcp")
    assert http_status(f"{address}/livez") == 200
    process.terminate()
    out, err = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "Traceback" not in err
    assert not is_alive(int(out.split()[-1]))


def test_a_child_that_ends_well_ends_the_watch(tmp_path: Path) -> None:
    assert reload.supervise([sys.executable, "-c", ""], tmp_path, [None]) == 0


def test_ctrl_c_ends_the_child_too(tmp_path: Path) -> None:
    said = tmp_path / "pid"
    os.mkfifo(said)
    found: list[int] = []

    def interrupt() -> None:
        found.append(int(said.read_text()))  # waits until the child has written
        os.kill(os.getpid(), signal.SIGINT)

    mine = threading.Thread(target=interrupt)
    mine.start()
    child = f"import os, signal; open({str(said)!r}, 'w').write(str(os.getpid())); signal.pause()"
    with pytest.raises(KeyboardInterrupt):
        reload.supervise([sys.executable, "-c", child], tmp_path, [])
    mine.join()
    assert not is_alive(found[0])


def test_a_child_that_does_not_end_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reload, "GRACE", 0.1)
    text = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); input()"
    child = subprocess.Popen([sys.executable, "-c", text], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdin is not None
    assert child.stdout.readline() == "deaf\n"
    reload._end(child)
    reload._end(child)  # once more does no harm
    assert child.returncode == -signal.SIGKILL
    child.stdin.close()
    child.stdout.close()


def test_a_crash_is_waited_out_until_a_file_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, heard = tmp_path / "app.py", []
    source.write_text("")

    def say(message: str) -> None:
        heard.append(message)
        if "waiting" in message:
            threading.Timer(0.1, source.write_text, ("x = 1\n",)).start()  # while the watch goes on

    monkeypatch.setattr(reload, "_say", say)
    child = f"import sys, os; sys.exit(0 if os.path.getsize({str(source)!r}) else 7)"
    assert reload.supervise([sys.executable, "-c", child], tmp_path, []) == 0
    assert heard == ["the server ended with status 7; waiting for a change", "a file changed; starting again"]


def test_only_sources_and_settings_are_looked_at(python_file: Write, tmp_path: Path) -> None:
    for name in ("a.py", "sub/b.py", "holdfast.toml", "c.txt", ".venv/d.py", "node_modules/e.py", "__pycache__/f.py"):
        python_file(name, "")
    other = python_file("named.env", "")
    found = reload.look_at(tmp_path, [other, tmp_path / "gone.toml"])
    assert {str(Path(name).relative_to(tmp_path)) for name in found} == {
        "a.py", "sub/b.py", "holdfast.toml", "named.env",
    }  # fmt: skip


def test_no_more_than_so_many_files_are_looked_at(
    python_file: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reload, "MAX_FILES", 2)
    for name in ("a.py", "b.py", "sub/c.py", "sub/d.py"):
        python_file(name, "")
    assert len(reload.look_at(tmp_path, [])) == 2


def test_the_child_is_the_same_command_without_reload(tmp_path: Path) -> None:
    target = Target(tmp_path / "a.py", "app")
    argv = reload.words(
        target, Sources(Path("c.toml")), {"--port": 0, "--host": None, "--auth": True, "--debug": False}
    )
    assert " ".join(argv[1:4]) == "-P -m holdfast.cli"
    assert argv[4:] == ["run", f"{tmp_path}/a.py:app", "--http", "--config", "c.toml", "--port", "0", "--auth"]
