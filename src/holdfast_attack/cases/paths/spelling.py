"""One way to name what is outside the root."""

from __future__ import annotations

from dataclasses import dataclass

from holdfast_attack.cases.spelled import Spelled
from holdfast_attack.model import Severity

CWE_22 = "CWE-22 (path traversal)"
RESOLVE = (
    "open what was checked: openat2 with RESOLVE_BENEATH, or a walk with O_NOFOLLOW; "
    "else compare os.path.realpath of both with a separator between"
)
LINKS = "do not follow symbolic links beneath the root: O_NOFOLLOW for each part of the path, or RESOLVE_NO_SYMLINKS"


@dataclass(frozen=True, slots=True, kw_only=True)
class Spelling(Spelled):
    """``files`` go to parameters for files, ``folders`` to those for folders."""

    files: tuple[str, ...]
    folders: tuple[str, ...] = ()
    severity: Severity = Severity.CRITICAL
    remedy: str = RESOLVE
    guesses: tuple[str, ...] = ()
    """What is put into other texts too, as a tool may call a file's name anything."""
    beside: tuple[str, ...] = ()
    """What is put in for each folder that the server has made for itself, with its name."""
    link: bool = False
    """It needs the links that are laid out in the workspace."""
