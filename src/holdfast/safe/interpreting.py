"""Programs and variables that would turn a declared word into code: they cannot be declared at all."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from holdfast.errors import ConfigurationError

_RUN_WORDS = frozenset(
    {"sh", "ash", "bash", "rbash", "dash", "ksh", "mksh", "zsh", "csh", "tcsh", "fish", "elvish", "nu", "busybox"}
    | {"toybox", "env", "xargs", "parallel", "sudo", "su", "doas", "runuser", "pkexec", "nohup", "setsid", "nice"}
    | {"timeout", "stdbuf", "script", "expect", "watch", "flock", "unshare", "nsenter", "chroot", "setpriv", "prlimit"}
    | {"strace", "ltrace", "gdb", "ssh", "pwsh", "powershell", "cmd"}
)
"""Programs whose operands are code or other programs: no declaration of words can make them safe (CVE-2026-55580)."""
_LANGUAGES = re.compile(
    r"(python|pypy|perl|ruby|node|nodejs|deno|bun|php|lua|luajit|tclsh|wish|rscript|java|osascript|[gmn]?awk|npx|uvx)[0-9.]*"
)
"""Programs whose first operand is code: only with words of the author's own before it, which name that code."""
_CODE_VARIABLES = re.compile(
    r"LD_|DYLD_|BASH_|ENV$|IFS$|PS4$|SHELLOPTS|PROMPT_COMMAND|ZDOTDIR|PYTHON|PERL|RUBY|GEM_|NODE_|NPM_|JAVA_TOOL_OPTIONS|"
    r"_JAVA_OPTIONS|JDK_JAVA_OPTIONS|CLASSPATH|LUA_|PHPRC|PHP_INI|TCL|BROWSER|PAGER|MANPAGER|LESS|MORE$|EDITOR|VISUAL|"
    r"TAR_OPTIONS|GREP_|RIPGREP_CONFIG_PATH|GCONV_PATH|LOCPATH|NLSPATH|GLIBC_TUNABLES|MALLOC_|OPENSSL_|SSLKEYLOGFILE|"
    r"HOSTALIASES|RES_|GIT_SSH|GIT_EXTERNAL_DIFF|GIT_EDITOR|GIT_SEQUENCE_EDITOR|GIT_ASKPASS|SSH_|GIT_EXEC_PATH|"
    r"GIT_TEMPLATE_DIR|GIT_PROXY_COMMAND|GIT_CONFIG_(COUNT|KEY|VALUE|PARAMETERS)|GIT_TRACE|GIT_REDIRECT|GIT_ALTERNATE|"
    r"GIT_OBJECT_DIRECTORY|XDG_CONFIG|HOME$|PATH$|TMPDIR$|HOLDFAST_",
    re.IGNORECASE,
)
"""Variables that make ordinary programs load or run code, write files or find other configuration (CVE-2026-73601).

The list is a second look at what an *author* wrote; callers can set no variable, whatever its name.
"""
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def check_program(name: str, path: str, *, bare: bool) -> None:
    """Refuse a program that runs its words; ``bare``: nothing stands before the caller's. Raises ConfigurationError."""
    names = {name, os.path.basename(path), os.path.basename(os.path.realpath(path))}
    names |= {each.lower().removesuffix(".exe") for each in names}
    if names & _RUN_WORDS:
        raise ConfigurationError(f"{name!r} runs its words as code: declare the program itself instead")
    if bare and any(_LANGUAGES.fullmatch(each) for each in names):
        raise ConfigurationError(f"{name!r} runs a file of code: name that file in prefix=, so that no caller can")


def check_variables(program: str, env: Mapping[str, str]) -> dict[str, str]:
    """The author's variables as a dict. Raises ``ConfigurationError`` for one that can run code or is ill formed."""
    for name, value in env.items():
        if _CODE_VARIABLES.match(name):
            raise ConfigurationError(f"{program!r}: the variable {name} can make a program run code")
        if not _NAME.fullmatch(name) or "\0" in value:
            raise ConfigurationError(f"{program!r}: {name!r} is not the name and text of a variable")
    return dict(env)
