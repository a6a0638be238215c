"""The budget is the least of what is configured and what the container allows; what can be dropped does not count."""

from __future__ import annotations

from pathlib import Path

import pytest

from holdfast.observe.process import resident_bytes
from holdfast.resources.budget import Budget, Group, control_group

MIB = 1 << 20


def version_2(root: Path, path: str = "/", within: str = "", **files: str) -> None:
    (root / "proc/self").mkdir(parents=True, exist_ok=True)
    (root / "proc/self/cgroup").write_text(f"0::{path}\n")
    folder = root / "sys/fs/cgroup" / within
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / f"memory.{name}").write_text(text)


def version_1(root: Path, limit: int, hierarchical: int, path: str = "/docker/abc", within: str = "") -> None:
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(f"nonsense\n5:cpu,cpuacct:{path}\n4:memory:{path}\n0::/\n")
    folder = root / "sys/fs/cgroup/memory" / within
    folder.mkdir(parents=True)
    (folder / "memory.limit_in_bytes").write_text(f"{limit}\n")
    (folder / "memory.usage_in_bytes").write_text(f"{300 * MIB}\n")
    (folder / "memory.stat").write_text(
        f"total_inactive_file {100 * MIB}\ntotal_rss {150 * MIB}\nhierarchical_memory_limit {hierarchical}\n"
    )


STAT = f"anon {90 * MIB}\nfile 5\ninactive_file {60 * MIB}\n"


def test_version_2_counts_neither_what_can_be_dropped_nor_an_unlimited_group(tmp_path: Path) -> None:
    version_2(tmp_path, max=f"{256 * MIB}\n", high="max\n", current=f"{200 * MIB}\n", stat=STAT)
    assert control_group(tmp_path)() == Group(256 * MIB, 140 * MIB, 90 * MIB)
    version_2(tmp_path, max="max\n")
    assert control_group(tmp_path)() is None


def test_the_least_of_the_limits_above_counts_with_its_own_usage(tmp_path: Path) -> None:
    version_2(tmp_path, "/a/b", "a/b", max=f"{900 * MIB}", high="max", current=f"{1 * MIB}", stat=STAT)
    version_2(tmp_path, "/a/b", "a", max="max", high=f"{500 * MIB}", current=f"{400 * MIB}", stat=STAT)
    assert control_group(tmp_path)() == Group(500 * MIB, 340 * MIB, 90 * MIB)


@pytest.mark.parametrize("within", ["", "docker/abc"], ids=["only the container's part", "the host's tree"])
def test_version_1_counts_the_same(tmp_path: Path, within: str) -> None:
    version_1(tmp_path, 1 << 62, 512 * MIB, within=within)
    assert control_group(tmp_path)() == Group(512 * MIB, 200 * MIB, 150 * MIB)


def test_version_1_without_a_limit_is_none(tmp_path: Path) -> None:
    version_1(tmp_path, (1 << 63) - 4096, (1 << 63) - 4096)
    assert control_group(tmp_path)() is None


@pytest.mark.parametrize("spoilt", ["text", "", "anon 1\n"])
def test_files_that_make_no_sense_and_systems_without_them_limit_nothing(tmp_path: Path, spoilt: str) -> None:
    assert control_group(tmp_path)() is None
    version_2(tmp_path, max="10", current="1", stat=spoilt)
    assert control_group(tmp_path)() is None


def test_a_group_that_goes_away_leaves_the_configured_budget(tmp_path: Path) -> None:
    version_2(tmp_path, max=f"{200 * MIB}", high="max", current=f"{150 * MIB}", stat=STAT)
    budget = Budget(512 * MIB, lambda: 60 * MIB, control_group(tmp_path))
    assert budget.bytes == 200 * MIB
    usage = budget.look()
    assert (usage.share, usage.own, usage.budget) == (0.45, 0.3, 200 * MIB)
    (tmp_path / "sys/fs/cgroup/memory.max").unlink()
    usage = budget.look()
    assert (usage.share, usage.budget) == (60 / 512, 512 * MIB)


def test_a_small_configured_budget_wins_over_a_large_container(tmp_path: Path) -> None:
    version_2(tmp_path, max=f"{8192 * MIB}", high="max", current=f"{150 * MIB}", stat=STAT)
    budget = Budget(100 * MIB, lambda: 95 * MIB, control_group(tmp_path))
    assert (budget.bytes, budget.look().share) == (100 * MIB, 0.95)


def test_this_process_can_be_measured() -> None:
    usage = Budget(1 << 40, resident_bytes, control_group()).look()
    assert 0 < usage.own <= usage.share
    assert usage.resident > 10 * MIB
