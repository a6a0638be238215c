"""A report is written whole or not at all, and a name that cannot be written is known before the run."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from holdfast.errors import ConfigurationError
from holdfast_attack.model.outcome import Report
from holdfast_attack.report import files
from holdfast_attack.report.files import checked, replace_file, write


def test_each_format_is_written_to_its_file(report: Report, tmp_path: Path) -> None:
    wanted = {name: tmp_path / f"report.{name}" for name in files.FORMATS}
    with checked(wanted) as known:
        write(report, known)
    assert (tmp_path / "report.json").read_text().startswith('{\n  "schema": "holdfast-attack/1"')
    assert (tmp_path / "report.junit").read_text().startswith("<?xml")
    assert '"version": "2.1.0"' in (tmp_path / "report.sarif").read_text()
    assert (tmp_path / "report.html").read_text("utf-8").startswith("<!DOCTYPE html>")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(path.name for path in wanted.values())


def test_checking_leaves_nothing_behind_and_changes_nothing(tmp_path: Path) -> None:
    old = tmp_path / "old.json"
    old.write_text("old")
    with checked({"json": old, "html": tmp_path / "new.html"}):
        assert [path.name for path in tmp_path.iterdir()] == ["old.json"]
    assert old.read_text() == "old"


def test_a_missing_folder_is_told_before_the_run(tmp_path: Path) -> None:
    file = tmp_path / "none" / "report.json"
    told = f"{file} cannot be written: there is no folder {file.parent}; make it first"
    with pytest.raises(ConfigurationError) as caught, checked({"json": file}):
        pass
    assert str(caught.value) == told
    with pytest.raises(ConfigurationError) as caught:
        replace_file(file, "text")
    assert str(caught.value) == told


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="it is a folder; name a file in it"):
        replace_file(tmp_path, "text")


def test_a_folder_is_told_before_the_run(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="it is a folder; name a file in it"), checked({"html": tmp_path}):
        pass


def test_two_reports_cannot_have_one_name(tmp_path: Path) -> None:
    (tmp_path / "link.html").symlink_to(tmp_path / "report.json")
    with (
        pytest.raises(ConfigurationError, match="--html and --json name one file"),
        checked({"json": tmp_path / "report.json", "html": tmp_path / "link.html"}),
    ):
        pass


def test_a_name_that_no_system_takes_is_told_in_one_harmless_line(tmp_path: Path) -> None:
    for name, why in (("a\0\x1b[31m", "its name holds a NUL"), ("x" * 300 + "/a", "File name too long")):
        with pytest.raises(ConfigurationError, match=why) as caught:
            replace_file(tmp_path / name, "text")
        assert str(caught.value).isprintable()


def test_what_stood_there_before_is_replaced_and_keeps_its_permissions(tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    file.write_text("old")
    file.chmod(0o640)
    replace_file(file, "new\ud800")
    assert file.read_text() == "new\\ud800"
    assert stat.S_IMODE(file.stat().st_mode) == 0o640


def test_a_new_file_has_the_permissions_that_any_file_gets(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        replace_file(tmp_path / "report.json", "new")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "report.json").stat().st_mode) == 0o640


def test_a_link_stays_a_link_and_its_target_is_replaced(tmp_path: Path) -> None:
    target, link = tmp_path / "target.json", tmp_path / "link.json"
    target.write_text("old")
    link.symlink_to(target)
    replace_file(link, "new")
    assert link.is_symlink()
    assert target.read_text() == "new"


@pytest.mark.parametrize("broken", ["fsync", "replace"])
def test_when_the_disk_fails_the_old_report_is_whole_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    file = tmp_path / "report.json"
    file.write_text("old")

    def fails(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, broken, fails)
    with pytest.raises(ConfigurationError, match="No space left on device"):
        replace_file(file, "new")
    assert file.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]


def test_an_interrupt_leaves_no_file_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(files.os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        replace_file(tmp_path / "report.json", "new")
    assert list(tmp_path.iterdir()) == []


def test_a_named_pipe_is_written_to_and_stays_one(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    heard: list[str] = []
    reader = threading.Thread(target=lambda: heard.append(pipe.read_text()), daemon=True)
    reader.start()
    with checked({"json": pipe}):
        replace_file(pipe, "report")
    reader.join(10)
    assert heard == ["report"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_file_that_standard_output_goes_to_keeps_what_it_holds(tmp_path: Path) -> None:
    with (tmp_path / "out").open("w") as out:
        code = "from pathlib import Path\nfrom holdfast_attack.report.files import replace_file\n"
        code += "print('before', flush=True)\nreplace_file(Path('/dev/stdout'), 'report')\n"
        subprocess.run([sys.executable, "-c", code], stdout=out, timeout=60, check=True)
    assert (tmp_path / "out").read_text() == "before\nreport"


def test_standard_output_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    code = "from pathlib import Path\nfrom holdfast_attack.report.files import replace_file\n"
    code += "print('before', flush=True)\nreplace_file(Path('/dev/stdout'), 'report')\n"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert ran.stdout == "before\nreport"
    assert Path("/dev/stdout").is_symlink()
