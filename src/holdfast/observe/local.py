"""Whether a folder is on a file system of this machine: then a small buffered write to it returns at once."""

from __future__ import annotations

import os
import re
from pathlib import Path

LOCAL = frozenset(
    ("ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "zfs", "tmpfs", "devtmpfs", "ramfs", "rootfs", "overlay")
)
"""Types that buffer writes in this machine's memory. Whatever is not named here (NFS, SMB, 9p, FUSE, ...) is remote."""
_MOUNTS = Path("/proc/self/mountinfo")
_ESCAPE = re.compile(r"\\([0-7]{3})")


def is_local(folder: Path, mounts: Path = _MOUNTS) -> bool:
    """Whether ``folder`` and every mount above it are local; False when that cannot be told (macOS, Windows).

    Those above count too, because a path is walked from the top. Mount points that were mounted over count with what
    hides them (proc_pid_mountinfo(5)): so a doubt is answered with False. Blocking, 0.1 ms.
    """
    try:
        rows = mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
        here = os.path.realpath(folder)
    except OSError:
        return False
    above = {here, *map(str, Path(here).parents)}
    kinds = [kind for point, kind in map(_mount, rows) if point in above]
    return bool(kinds) and LOCAL.issuperset(kinds)


def _mount(row: str) -> tuple[str, str]:
    """Return mount point and type of one row: ``36 35 98:0 /root /point rw,noatime master:1 - ext3 /dev/root rw``."""
    before, _, after = row.partition(" - ")
    point = (before.split() + [""] * 5)[4]
    kind = (after.split() or [""])[0]
    return _ESCAPE.sub(lambda found: chr(int(found.group(1), 8)), point), kind
