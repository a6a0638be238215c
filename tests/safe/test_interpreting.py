"""Programs and variables that would turn words into code cannot be declared."""

from __future__ import annotations

import pytest

from holdfast.errors import ConfigurationError
from holdfast.safe.descendants import ENVIRONMENT
from holdfast.safe.interpreting import check_program, check_variables


@pytest.mark.parametrize(
    "name", ["sh", "bash", "BASH.EXE", "busybox", "env", "xargs", "sudo", "ssh", "strace", "timeout"]
)
def test_a_program_that_runs_its_words_is_refused_even_with_words_before_them(name: str) -> None:
    with pytest.raises(ConfigurationError, match="code"):
        check_program(name, f"/usr/bin/{name}", bare=False)
    with pytest.raises(ConfigurationError, match="code"):
        check_program("tool", f"/opt/{name}", bare=True)


@pytest.mark.parametrize("name", ["python3", "python3.11", "perl", "node", "ruby", "gawk", "npx"])
def test_a_language_needs_its_code_named_by_the_author(name: str) -> None:
    with pytest.raises(ConfigurationError, match="prefix"):
        check_program("tool", f"/usr/bin/{name}", bare=True)
    check_program("tool", f"/usr/bin/{name}", bare=False)


@pytest.mark.parametrize(
    "name",
    [
        "LD_PRELOAD",
        "ld_preload",
        "PYTHONWARNINGS",
        "PYTHONPATH",
        "BROWSER",
        "PAGER",
        "EDITOR",
        "VISUAL",
        "NODE_OPTIONS",
        "node_options",
        "BASH_ENV",
        "BASH_FUNC_x%%",
        "ENV",
        "PERL5OPT",
        "RUBYOPT",
        "GIT_SSH_COMMAND",
        "GIT_EXTERNAL_DIFF",
        "GIT_CONFIG_COUNT",
        "GIT_CONFIG_KEY_0",
        "GIT_EXEC_PATH",
        "GIT_TRACE",
        "LESSOPEN",
        "TAR_OPTIONS",
        "GREP_OPTIONS",
        "RIPGREP_CONFIG_PATH",
        "HOME",
        "PATH",
        "XDG_CONFIG_HOME",
        "JAVA_TOOL_OPTIONS",
        "OPENSSL_CONF",
        ENVIRONMENT,  # how the processes of a run are found
    ],
)
def test_a_variable_that_runs_code_is_refused_in_any_case(name: str) -> None:
    with pytest.raises(ConfigurationError):
        check_variables("tool", {name: "x"})


@pytest.mark.parametrize("env", [{"": "x"}, {"A=B": "x"}, {"A B": "x"}, {"A\0": "x"}, {"A": "x\0y"}, {"1A": "x"}])
def test_what_is_no_variable_is_refused(env: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError):
        check_variables("tool", env)


def test_an_ordinary_variable_passes() -> None:
    assert check_variables("tool", {"TZ": "UTC", "GIT_DIR": ".git"}) == {"TZ": "UTC", "GIT_DIR": ".git"}
