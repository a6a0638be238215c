"""Ready, hardened declarations of programs that many servers need."""

from __future__ import annotations

import re

from holdfast.safe.argv import Flag, Operand, Subcommand
from holdfast.safe.commands import Program
from holdfast.safe.repository import inspect
from holdfast.safe.ripgrep import ripgrep

__all__ = ["Program", "git", "ripgrep"]

_SETTINGS = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.pager=cat",
    "core.attributesFile=/dev/null",
    "core.excludesFile=/dev/null",
    "core.sshCommand=false",
    "core.alternateRefsCommand=false",
    "core.askPass=false",
    "credential.helper=",
    "diff.external=",
    "gpg.program=false",
    "log.showSignature=false",
    "protocol.allow=never",
    "submodule.recurse=false",
    "uploadpack.packObjectsHook=",
)
"""The second layer behind ``repository.inspect``: on the command line, so they outrank the repository's own."""

_ENVIRONMENT = {
    "GIT_DIR": ".git",  # no discovery: never a parent's repository, a bare one in the work tree, or another owner's
    "GIT_WORK_TREE": ".",  # outranks core.worktree
    "GIT_COMMON_DIR": ".git",  # outranks .git/commondir
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_ALLOW_PROTOCOL": "",
    "GIT_CEILING_DIRECTORIES": "/",
    "GIT_PAGER": "cat",
}


def _of_commits(text: str) -> str:
    """The revision, or each end of a range, as a commit: the number of a file or of a folder would show what is in it
    without its path, by which the deny rules know it (gitrevisions(7): ``^0`` is the commit itself)."""
    revision, colon, path = text.partition(":")
    ends = (end if end.strip(".") == "" else f"{end}^0" for end in re.split(r"(\.{2,3})", revision))
    return "".join(ends) + colon + path


_REVISION = Operand(
    "revision", pattern=r"[0-9A-Za-z_@][0-9A-Za-z_@./{}~^-]*", optional=True, path_after=":", shape=_of_commits
)
_FILE_OF_REVISION = Operand(
    "revision",
    pattern=r"[0-9A-Za-z_@][0-9A-Za-z_@./{}~^-]*:[0-9A-Za-z_@+,=#% ./-]+",
    path_after=":",
    shape=_of_commits,
)
_AFTER_REVISION = Operand("path", path=True, many=True, optional=True, lead="--", before=":(literal)")
_PATHS = Operand("path", path=True, many=True, optional=True, before=":(literal)")
_HIDE = (":(exclude,icase,glob){path}", ":(exclude,icase,glob){path}/**")
_BLAMED = Operand("file", path=True, lead="--")
_LINES = Flag("-L", takes="text", pattern="[0-9]+,[0-9]+", max_length=20)
_NO_CODE = ("--no-ext-diff", "--no-textconv", "--ignore-submodules=all", "--no-color")

_DIFF_FLAGS = (
    Flag("--stat"),
    Flag("--numstat"),
    Flag("--name-only"),
    Flag("--name-status"),
    Flag("--patch"),
    Flag("--no-patch"),
    Flag("--unified", takes="int", max=1000),
    Flag("--ignore-all-space"),
    Flag("--diff-filter", takes="text", pattern="[ACDMRTUXBacdmrtuxb]+", max_length=20),
)
_FORMAT = Flag("--format", takes="choice", choices=("oneline", "short", "medium", "full", "fuller", "reference", "raw"))
_DATE = r"[0-9A-Za-z][0-9A-Za-z :.+-]*"
_LOG_FLAGS = (
    Flag("--max-count", takes="int", max=100_000),
    Flag("--skip", takes="int", max=10_000_000),
    Flag("--since", takes="text", pattern=_DATE, max_length=64),
    Flag("--until", takes="text", pattern=_DATE, max_length=64),
    Flag("--author", takes="text"),
    Flag("--grep", takes="text"),
    Flag("--date", takes="choice", choices=("iso", "iso-strict", "rfc", "short", "unix", "relative")),
    Flag("--all"),
    Flag("--merges"),
    Flag("--no-merges"),
    Flag("--first-parent"),
    Flag("--reverse"),
    Flag("--graph"),
    Flag("--oneline"),
)


def _subcommands() -> tuple[Subcommand, ...]:
    shown = (*_NO_CODE, "--no-show-signature", "--no-mailmap")
    status = (
        Flag("--short"),
        Flag("--branch"),
        Flag("--porcelain", takes="choice", choices=("v1", "v2")),
        Flag("--untracked-files", takes="choice", choices=("no", "normal", "all")),
        Flag("--ignored"),
        Flag("-z"),
    )
    listed = (*map(Flag, ("--cached", "--deleted", "--modified", "--others", "--stage", "--exclude-standard", "-z")),)
    both = (_REVISION, _AFTER_REVISION)
    found = (
        Flag("-e", takes="text", required=True),
        *map(Flag, ("--ignore-case", "--word-regexp", "--invert-match", "--fixed-strings", "--extended-regexp")),
        *map(Flag, ("--files-with-matches", "--count", "--cached", "--all-match")),
        *(Flag(f"--{name}", takes="int", max=100) for name in ("context", "before-context", "after-context")),
        Flag("--max-count", takes="int", max=10_000),
    )
    blamed = (*map(Flag, ("--porcelain", "--line-porcelain", "--show-email", "-w")), _LINES)
    file = Subcommand("cat-file", (), (_FILE_OF_REVISION,), ("blob",), None, hide="never")
    branches = (*map(Flag, ("--all", "--remotes", "--verbose")),)
    plain = ("--no-color", "--no-textconv", "--no-recurse-submodules", "-n", "-I")
    log, diff = (_FORMAT, *_LOG_FLAGS, *_DIFF_FLAGS), (Flag("--cached"), *_DIFF_FLAGS)
    return (
        Subcommand("log", log, both, (*shown, "--fixed-strings"), "--end-of-options", hide="end"),
        Subcommand("show", (_FORMAT, *_DIFF_FLAGS), both, shown, "--end-of-options", hide="end", of_path=file),
        Subcommand("diff", diff, both, _NO_CODE, "--end-of-options", hide="end"),
        Subcommand("status", status, (_PATHS,), ("--ignore-submodules=all",), hide="end"),
        Subcommand("ls-files", listed, (_PATHS,), hide="end"),
        # These two know no --end-of-options; a revision begins with no dash, and "--" stands before the paths.
        Subcommand("grep", found, (_REVISION, _AFTER_REVISION), plain, None, hide="end", ok=(0, 1)),
        Subcommand("blame", blamed, (_REVISION, _BLAMED), ("--no-textconv",), None, hide="never"),
        Subcommand("branch", branches, (), ("--list", "--no-color", "--no-column"), hide="never"),
    )


def git(executable: str | None = None) -> Program:
    """Git, for reading only: log, show, diff, status, ls-files, grep, blame, branch; the repository may be hostile.

    ``run(cwd=)`` takes the work tree's top directory, opened. Its ``.git`` must be a plain directory that leads nowhere
    else and sets nothing that runs programs (``holdfast.safe.repository``), else ``UnsafeCommand`` with the code
    ``command.repository``. Submodules are not entered. A path is given after a revision (``["HEAD", "src"]``). Hidden
    files are left out of every answer, of history too: a revision has to be a commit, and ``show HEAD:docs/a.md``
    (without flags) a file in it. Where the kernel has Landlock, Git can start no program. That nobody swaps ``.git``
    between this look and Git's own is what the handles' refusal of hidden names is for. Raises
    ``ConfigurationError`` when Git is not installed.
    """
    settings = [word for setting in _SETTINGS for word in ("-c", setting)]
    return Program(
        "git",
        executable=executable,
        subcommands=_subcommands(),
        prefix=("--no-pager", "--no-optional-locks", *settings),
        hide=_HIDE,
        env=_ENVIRONMENT,
        inspect=inspect,
    )
