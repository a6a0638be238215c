"""What ``holdfast new`` makes: it passes its own ``make test``, and its server runs."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tomllib
import venv
from pathlib import Path

import pytest

from holdfast.cli.new import new
from holdfast.cli.template import render

ROOT = Path(__file__).resolve().parents[2]
VALUES = {"name": "my-notes", "package": "my_notes", "holdfast": "holdfast>=0.1"}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    new("my-notes", tmp_path, str(ROOT))
    return tmp_path / "my-notes"


def run(project: Path, *words: str, seconds: float) -> subprocess.CompletedProcess[str]:
    dropped = ("HOLDFAST_", "PYTHONPATH", "VIRTUAL_ENV", "MAKE", "PYTEST_", "COVERAGE_", "COV_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    return subprocess.run(
        words, cwd=project, env=environment, capture_output=True, text=True, timeout=seconds, check=False
    )


def ready(project: Path) -> None:
    """Stand in for pip: a real .venv that sees the packages of this one, this checkout and the project."""
    venv.create(project / ".venv", with_pip=False, symlinks=True)
    home = Path(sysconfig.get_path("purelib", vars={"base": str(project / ".venv")}))
    seen = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), str(ROOT / "src"), str(project / "src")]
    (home / "packages.pth").write_text("\n".join(dict.fromkeys(seen)) + "\n")
    (project / ".venv" / ".ready").write_text("")


def test_a_new_project_passes_its_own_tests(project: Path) -> None:
    ready(project)
    ran = run(project, "make", "test", seconds=120)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "3 passed" in ran.stdout
    checked = run(project, "make", "check", seconds=60)
    assert (checked.returncode, checked.stdout) == (0, "no findings in 1 entries of server.py\n"), checked.stderr


@pytest.mark.skipif("SLOW_TESTS" not in os.environ, reason="fetches and builds all packages afresh: up to two minutes")
def test_a_new_project_sets_itself_up_and_passes_its_own_tests(project: Path) -> None:
    ran = run(project, "make", "test", f"PYTHON={sys.executable}", seconds=290)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "3 passed" in ran.stdout


def test_the_server_of_a_new_project_runs(project: Path) -> None:
    from holdfast.cli.discovery import Sources, Target, find

    path, modules = list(sys.path), set(sys.modules)
    try:
        server = find(Target.parse(str(project / "src" / "my_notes" / "server.py")), Sources())
        assert [item.name for item in server.whole()] == ["count_words"]
    finally:
        sys.path[:] = path
        for name in set(sys.modules) - modules:
            if name.startswith("my_notes"):
                del sys.modules[name]


def test_make_alone_lists_the_targets(project: Path) -> None:
    ran = run(project, "make", seconds=30)
    assert ran.returncode == 0
    for target in ("test", "check", "run", "http", "clean"):
        assert f"make {target}" in ran.stdout


def test_every_field_is_filled_and_every_file_is_what_it_says() -> None:
    texts = render(VALUES)
    assert not [name for name, text in texts.items() if "{{" in name + text or not text.endswith("\n")]
    assert tomllib.loads(texts["pyproject.toml"])["project"]["scripts"] == {"my-notes": "my_notes.server:server.main"}
    for name, text in texts.items():
        if name.endswith(".py"):
            compile(text, name, "exec")


def test_the_example_tool_has_at_most_ten_lines() -> None:
    text = render(VALUES)["src/my_notes/server.py"]
    tool = text.partition("@server.tool")[2].partition("\n\n\n")[0]
    assert len(tool.splitlines()) <= 10
