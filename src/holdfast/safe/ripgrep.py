"""A ready declaration of ripgrep: searching and listing the files of a directory that may be hostile."""

from __future__ import annotations

from holdfast.safe.argv import Flag, Operand, Subcommand
from holdfast.safe.commands import Program

_FIXED = (
    "--no-config",  # RIPGREP_CONFIG_PATH adds flags
    "--no-pre",
    "--no-search-zip",  # both start other programs
    "--no-follow",
    "--one-file-system",
    "--no-hidden",
    "--no-ignore-parent",
    "--no-ignore-global",
    "--no-ignore-exclude",  # these three are read from outside the directory, or from .git
    "--color=never",
    "--no-messages",  # they name files that may not be opened
    "--no-heading",
    "--threads=2",
)
_SEARCH = (
    *_FIXED,
    "--engine=default",  # linear time; PCRE2 backtracks (CVE-2026-0621)
    "--regex-size-limit=8M",
    "--dfa-size-limit=8M",
    "--max-columns=1000",
    "--max-columns-preview",
    "--with-filename",
    "--line-number",
)
_TYPE = "[a-z0-9][a-z0-9+_-]*"
_WHERE = (
    Flag("--glob", takes="text", max_length=256),
    Flag("--type", takes="text", pattern=_TYPE, max_length=32),
    Flag("--type-not", takes="text", pattern=_TYPE, max_length=32),
    Flag("--max-depth", takes="int", max=64),
    Flag("--max-filesize", takes="int", max=1 << 30),
    Flag("--null"),
)
_WHAT = (
    Flag("--regexp", takes="text", max_length=1000, required=True),
    *map(Flag, ("--ignore-case", "--smart-case", "--fixed-strings", "--word-regexp", "--line-regexp")),
    *map(Flag, ("--invert-match", "--only-matching", "--multiline", "--json", "--trim")),
    *map(Flag, ("--count", "--count-matches", "--files-with-matches", "--files-without-match")),
    *(Flag(f"--{name}", takes="int", max=100) for name in ("context", "before-context", "after-context")),
    Flag("--max-count", takes="int", min=1, max=100_000),
)
_PATHS = Operand("path", path=True, opened=True, many=True, optional=True, max_length=4096)


def ripgrep(executable: str | None = None) -> Program:
    """Ripgrep, for reading only: ``search`` (its flag ``--regexp`` is required) and ``files``, in the directory.

    Hidden files and those that the workspace's deny rules name are never shown: their globs come after the caller's,
    and the last one decides; an ignore file in the tree cannot bring them back. No program is started for a file
    (``--pre``, ``--search-zip``, ``--hostname-bin`` are no flags of ours), no configuration is read and no link
    followed. A search that finds nothing is a success without text. A hard link to a file outside is not recognised,
    as it is by ``ReadPath``. Raises ``ConfigurationError`` when ripgrep is not installed.
    """
    return Program(
        "rg",
        executable=executable,
        subcommands=(
            Subcommand("search", (*_WHAT, *_WHERE), (_PATHS,), _SEARCH, silent=True, ok=(0, 1)),
            Subcommand("files", _WHERE, (_PATHS,), (*_FIXED, "--files"), silent=True, ok=(0, 1)),
        ),
        hide=("--iglob=!{}",),
    )
