"""Git in hostile repositories: each trap is first shown to fire with plain git, then not to fire with ours."""

from __future__ import annotations

import os
import pickle
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from holdfast.errors import ConfigurationError, UnsafeCommand
from holdfast.safe.commands import Completed
from holdfast.safe.programs import Program, git

IDENTITY = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "a",
    "GIT_AUTHOR_EMAIL": "a@example.com",
    "GIT_COMMITTER_NAME": "a",
    "GIT_COMMITTER_EMAIL": "a@example.com",
}
READS = [
    ("log", {"--patch": True}, ["HEAD"]),
    ("show", {}, ["HEAD"]),
    ("diff", {}, []),
    ("diff", {"--cached": True}, []),
    ("status", {"--porcelain": "v1"}, []),
    ("ls-files", {"--modified": True}, []),
]


def plain(directory: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=directory, env=IDENTITY, capture_output=True, text=True, check=False)
    return done.stdout


class Repository:
    """A work tree with one commit and one change, held open."""

    def __init__(self, path: Path) -> None:
        path.mkdir(exist_ok=True)
        self.path = path
        plain(path, "init", "-q", "-b", "main")
        (path / "a.txt").write_text("one\n")
        plain(path, "add", ".")
        plain(path, "commit", "-q", "-m", "first")
        (path / "a.txt").write_text("two\n")
        self.fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)

    def configure(self, text: str) -> None:
        with open(self.path / ".git/config", "a") as file:
            file.write(text)

    def read(self, program: Program, call: tuple[str, dict[str, object], list[str]]) -> Completed:
        return program.argv(*call).run_sync(cwd=self)

    def all_reads(self, program: Program) -> bytes:
        """All that git says, standard error too; a refusal says nothing."""
        said = b""
        for call in READS:
            try:
                completed = self.read(program, call)
            except UnsafeCommand:
                continue
            said += completed.stdout + completed.stderr
        return said


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[Repository]:
    opened = Repository(tmp_path / "work")
    yield opened
    os.close(opened.fd)


@pytest.fixture
def secret(tmp_path: Path) -> Iterator[Repository]:
    """A repository outside, whose content must not be seen."""
    other = Repository(tmp_path / "secret")
    (other.path / "s.txt").write_text("canary-content\n")
    plain(other.path, "add", ".")
    plain(other.path, "commit", "-q", "-m", "canary-message")
    yield other
    os.close(other.fd)


def test_git_reads_an_ordinary_repository(repository: Repository) -> None:
    program = git()
    assert b"first" in repository.read(program, ("log", {"--oneline": True, "--max-count": 5}, [])).stdout
    assert b"first" in repository.read(program, ("log", {"--grep": "first"}, ["main", "a.txt"])).stdout
    assert repository.read(program, ("show", {}, ["HEAD:a.txt"])).text() == "one\n"
    assert "+two" in repository.read(program, ("diff", {}, [])).text()
    assert "+two" in repository.read(program, ("diff", {"--unified": 0}, ["HEAD", "a.txt"])).text()
    assert repository.read(program, ("status", {"--porcelain": "v1"}, [])).text() == " M a.txt\n"
    assert repository.read(program, ("ls-files", {"-z": True}, ["a.txt"])).text() == "a.txt\0"


def test_the_declaration_can_be_sent_to_another_process(repository: Repository) -> None:
    copied = pickle.loads(pickle.dumps(git()))  # noqa: S301  # our own bytes
    assert repository.read(copied, ("show", {}, ["HEAD:a.txt"])).text() == "one\n"


def test_an_ordinary_clones_configuration_is_accepted(repository: Repository, tmp_path: Path) -> None:
    plain(tmp_path, "clone", "-q", "--no-hardlinks", str(repository.path), "clone")
    plain(tmp_path / "clone", "config", "user.name", "Zoë; [x] # y")
    plain(tmp_path / "clone", "config", "branch.main.description", "d")
    clone = Repository(tmp_path / "clone")
    try:
        assert b"first" in clone.read(git(), ("log", {}, [])).stdout
    finally:
        os.close(clone.fd)


def test_cve_2025_68144_output_and_its_kin_are_not_flags_of_ours() -> None:
    program = git()
    for word in ("--output=/tmp/x", "--no-index", "--ext-diff", "--textconv", "--exec-path=/x", "-O/etc/passwd"):
        for subcommand in ("log", "diff", "show", "status", "ls-files"):
            with pytest.raises(UnsafeCommand):
                program.argv(subcommand, {word: True})
            with pytest.raises(UnsafeCommand):
                program.argv(subcommand, {word.split("=")[0]: "/tmp/x"})
            with pytest.raises(UnsafeCommand):
                program.argv(subcommand, {}, [word])
            with pytest.raises(UnsafeCommand):
                program.argv(subcommand, {}, ["HEAD", word])


def test_cve_2025_68143_no_subcommand_that_writes_is_declared() -> None:
    for name in ("init", "add", "commit", "reset", "checkout", "clone", "fetch", "config", "gc", "", "-c", "--version"):
        with pytest.raises(UnsafeCommand):
            git().argv(name)


@pytest.mark.parametrize("path", ["/etc/passwd", "../secret/s.txt", ".git/config", ":(top)a", "a/../../b"])
def test_cve_2025_68145_a_path_outside_the_work_tree_is_refused(path: str) -> None:
    for subcommand in ("log", "diff", "show"):
        with pytest.raises(UnsafeCommand):
            git().argv(subcommand, {}, ["HEAD", path])
    for subcommand in ("status", "ls-files"):
        with pytest.raises(UnsafeCommand):
            git().argv(subcommand, {}, [path])


def script(tmp_path: Path) -> tuple[Path, Path]:
    """A program that leaves a canary, and the canary."""
    canary, program = tmp_path / "canary", tmp_path / "trap"
    program.write_text(f"#!/bin/sh\ntouch {canary}\ncat\n")
    program.chmod(0o755)
    return program, canary


def attributes(text: str) -> Callable[[Repository], None]:
    def write(repository: Repository) -> None:
        (repository.path / ".gitattributes").write_text(text)

    return write


def nothing(repository: Repository) -> None:
    pass


def signed(repository: Repository) -> None:
    """A commit with a signature, so that git asks gpg.program about it."""
    commit = subprocess.run(["git", "cat-file", "commit", "HEAD"], cwd=repository.path, capture_output=True, check=True)
    head, _, rest = commit.stdout.partition(b"\n\n")
    signature = b"\ngpgsig -----BEGIN PGP SIGNATURE-----\n \n x\n -----END PGP SIGNATURE-----\n\n"
    made = subprocess.run(
        ["git", "hash-object", "-t", "commit", "-w", "--stdin"],
        cwd=repository.path,
        input=head + signature + rest,
        capture_output=True,
        check=True,
    )
    plain(repository.path, "update-ref", "HEAD", made.stdout.decode().strip())


TRAPS: dict[str, tuple[str, Callable[[Repository], None], tuple[str, ...]]] = {
    "core.fsmonitor": ("[core]\n\tfsmonitor = {trap}\n", nothing, ("status",)),
    "diff.external": ("[diff]\n\texternal = {trap}\n", nothing, ("diff",)),
    "diff driver command": ('[diff "x"]\n\tcommand = {trap}\n', attributes("* diff=x\n"), ("diff",)),
    "diff driver textconv": ('[diff "x"]\n\ttextconv = {trap}\n', attributes("* diff=x\n"), ("diff",)),
    "filter clean": ('[filter "x"]\n\tclean = {trap}\n', attributes("* filter=x\n"), ("diff",)),
    "filter process": ('[filter "x"]\n\tprocess = {trap}\n', attributes("* filter=x\n"), ("diff",)),
    "gpg program": ("[gpg]\n\tprogram = {trap}\n[log]\n\tshowSignature = true\n", signed, ("log",)),
    "include": ("[include]\n\tpath = ../evil\n", nothing, ("status",)),
    "includeIf": ('[includeIf "gitdir:**"]\n\tpath = ../evil\n', nothing, ("status",)),
    "section and setting on one line": ("[core] fsmonitor = {trap}\n", nothing, ("status",)),
    "section in another case": ("[CoRe]\n\tFsMonitor = {trap}\n", nothing, ("status",)),
    "setting continued over lines": ("[core]\n\tfsmonitor = \\\n{trap}\n", nothing, ("status",)),
    "after a comment with a backslash": ("# \\\n[core]\n\tfsmonitor = {trap}\n", nothing, ("status",)),
}
STOPPED_TWICE = [
    "core.fsmonitor",
    "diff.external",
    "diff driver command",
    "diff driver textconv",
    "gpg program",
    "include",
]


def set_trap(repository: Repository, name: str) -> tuple[Path, tuple[str, ...]]:
    config, prepare, call = TRAPS[name]
    program, canary = script(repository.path.parent)
    (repository.path / "evil").write_text(f"[core]\n\tfsmonitor = {program}\n")
    prepare(repository)
    repository.configure(config.format(trap=program))
    return canary, call


@pytest.mark.parametrize("name", TRAPS)
def test_cve_2026_73601_a_repositorys_configuration_runs_nothing(repository: Repository, name: str) -> None:
    canary, call = set_trap(repository, name)
    plain(repository.path, *call)
    assert canary.exists(), "the trap must fire without the guard"
    canary.unlink()
    repository.all_reads(git())
    assert not canary.exists()


@pytest.mark.parametrize("name", STOPPED_TWICE)
def test_without_the_inspection_the_second_layer_still_stops_most(repository: Repository, name: str) -> None:
    canary, _ = set_trap(repository, name)
    assert b"first" in repository.all_reads(replace(git(), inspect=None))
    assert not canary.exists()


def test_hooks_and_aliases_run_nothing(repository: Repository) -> None:
    program, canary = script(repository.path.parent)
    for hook in ("post-index-change", "post-checkout", "fsmonitor-watchman"):
        (repository.path / ".git/hooks" / hook).write_text(program.read_text())
        (repository.path / ".git/hooks" / hook).chmod(0o755)
    assert b"first" in repository.all_reads(git())
    repository.configure(f"[alias]\n\tlog = !{program}\n")
    repository.all_reads(git())
    assert not canary.exists()


def test_a_hostile_submodule_is_not_entered(repository: Repository) -> None:
    program, canary = script(repository.path.parent)
    inner = Repository(repository.path / "sub")
    plain(repository.path, "add", "sub")
    plain(repository.path, "commit", "-q", "-m", "second")
    (inner.path / ".gitattributes").write_text("* filter=x\n")
    inner.configure(f'[filter "x"]\n\tclean = {program}\n')
    plain(repository.path, "status")
    assert canary.exists(), "the trap must fire without the guard"
    canary.unlink()
    assert b"second" in repository.all_reads(git())
    assert not canary.exists()
    os.close(inner.fd)


def gitdir_file(repository: Repository, secret: Repository) -> None:
    (repository.path / ".git").rename(repository.path / "gone")
    (repository.path / ".git").write_text(f"gitdir: {secret.path}/.git\n")


def gitdir_link(repository: Repository, secret: Repository) -> None:
    (repository.path / ".git").rename(repository.path / "gone")
    (repository.path / ".git").symlink_to(secret.path / ".git")


def common_directory(repository: Repository, secret: Repository) -> None:
    (repository.path / ".git/commondir").write_text(f"{secret.path}/.git\n")
    (repository.path / ".git/index").write_bytes((secret.path / ".git/index").read_bytes())


def alternates(repository: Repository, secret: Repository) -> None:
    (repository.path / ".git/objects/info").mkdir(exist_ok=True)
    (repository.path / ".git/objects/info/alternates").write_text(f"{secret.path}/.git/objects\n")
    head = plain(secret.path, "rev-parse", "HEAD").strip()
    (repository.path / ".git/refs/heads/main").write_text(f"{head}\n")


def linked_folders(repository: Repository, secret: Repository) -> None:
    for name in ("objects", "refs"):
        (repository.path / ".git" / name).rename(repository.path / name)
        (repository.path / ".git" / name).symlink_to(secret.path / ".git" / name)


def linked_config(repository: Repository, secret: Repository) -> None:
    config = repository.path / ".git/config"
    config.unlink()
    (repository.path.parent / "evil").write_text(f"[core]\n\tworktree = {secret.path}\n")
    config.symlink_to(repository.path.parent / "evil")
    (repository.path / ".git/index").write_bytes((secret.path / ".git/index").read_bytes())
    (secret.path / "a.txt").write_text("canary-worktree\n")


def work_tree(repository: Repository, secret: Repository) -> None:
    repository.configure(f"[core]\n\tworktree = {secret.path}\n")
    (secret.path / "a.txt").write_text("canary-worktree\n")


def no_repository(repository: Repository, secret: Repository) -> None:
    (repository.path / ".git").rename(repository.path / "gone")
    for name in os.listdir(secret.path / ".git"):
        (repository.path.parent / ".git").mkdir(exist_ok=True)
        (secret.path / ".git" / name).rename(repository.path.parent / ".git" / name)


def bare_in_work_tree(repository: Repository, secret: Repository) -> None:
    (repository.path / ".git").rename(repository.path / "gone")
    for name in os.listdir(secret.path / ".git"):
        (secret.path / ".git" / name).rename(repository.path / name)


@pytest.mark.parametrize(
    "lead_out",
    [
        gitdir_file,
        gitdir_link,
        common_directory,
        alternates,
        linked_folders,
        linked_config,
        work_tree,
        no_repository,
        bare_in_work_tree,
    ],
)
def test_git_reads_no_repository_outside_its_directory(
    repository: Repository, secret: Repository, lead_out: Callable[[Repository, Repository], None]
) -> None:
    lead_out(repository, secret)
    said = "".join(plain(repository.path, *words) for words in (("log", "-p"), ("diff",), ("ls-files",)))
    assert "canary" in said or "s.txt" in said, "it must lead out without the guard"
    ours = repository.all_reads(git())
    assert b"canary" not in ours
    assert b"s.txt" not in ours


@pytest.mark.parametrize("lead_out", [no_repository, bare_in_work_tree, work_tree])
def test_without_the_inspection_git_still_discovers_nothing(
    repository: Repository, secret: Repository, lead_out: Callable[[Repository, Repository], None]
) -> None:
    lead_out(repository, secret)
    ours = repository.all_reads(replace(git(), inspect=None))
    assert b"canary" not in ours
    assert b"s.txt" not in ours


def test_files_outside_are_not_compared(repository: Repository) -> None:
    (repository.path / "link").symlink_to("/etc")
    for call in (("diff", {}, ["HEAD", "link/passwd"]), ("diff", {"--stat": True}, ["HEAD", "link/passwd"])):
        assert b"root" not in repository.read(git(), call).stdout  # type: ignore[arg-type]


def test_a_missing_object_of_a_partial_clone_is_not_fetched(repository: Repository) -> None:
    program, canary = script(repository.path.parent)
    repository.configure(f'[remote "o"]\n\turl = ext::{program}\n\tpromisor = true\n[extensions]\n\tpartialClone = o\n')
    missing = f"{1:040x}"
    with pytest.raises(UnsafeCommand) as caught:
        git().argv("show", {}, [missing]).run_sync(cwd=repository)
    assert caught.value.code == "command.repository"
    assert replace(git(), inspect=None).argv("show", {}, [missing]).run_sync(cwd=repository).returncode != 0
    assert not canary.exists()


def test_without_git_the_server_does_not_start() -> None:
    with pytest.raises(ConfigurationError):
        git("/nonexistent/git")


HIDDEN = (".env", "sub/.env", ".github/flow.yml")


@pytest.fixture
def hiding(repository: Repository) -> Repository:
    """A repository with hidden files, committed and changed since."""
    for name in (*HIDDEN, "sub/b.txt"):
        (repository.path / name).parent.mkdir(exist_ok=True)
        (repository.path / name).write_text(f"needle canary in {name}\n" if name in HIDDEN else "needle\n")
    plain(repository.path, "add", "--force", ".")
    plain(repository.path, "commit", "-q", "-m", "second")
    for name in HIDDEN:
        (repository.path / name).write_text("needle canary anew\n")
    (repository.path / ".new").write_text("canary")
    return repository


def test_hidden_files_are_left_out_of_every_answer_and_of_history(hiding: Repository) -> None:
    said = hiding.all_reads(git())
    said += hiding.read(git(), ("grep", {"-e": "needle"}, [])).stdout
    said += hiding.read(git(), ("grep", {"-e": "needle"}, ["HEAD", "sub"])).stdout
    said += hiding.read(git(), ("ls-files", {"--others": True, "--cached": True}, [])).stdout
    said += hiding.read(git(), ("status", {"--untracked-files": "all", "--short": True}, [])).stdout
    assert b"second" in said
    assert b"sub/b.txt:1:needle" in said
    for hidden in (b"canary", b".env", b".github", b".new"):
        assert hidden not in said
    named = git().argv("grep", {"-e": "needle"}, hidden=("SUB",)).run_sync(cwd=hiding)
    assert b"sub/b.txt" not in named.stdout, "the workspace's own rules, whatever the case"


@pytest.mark.parametrize(
    "word", ["HEAD:.env", "HEAD:sub/.env", "HEAD:./.env", "HEAD:../x", "HEAD:/etc/passwd", "main:.git"]
)
def test_a_hidden_file_cannot_be_named_in_a_revision(word: str) -> None:
    for call in (("show", {}, [word]), ("diff", {}, [word]), ("blame", {}, ["HEAD", word])):
        with pytest.raises(UnsafeCommand):
            git().argv(*call)


CALLS: list[tuple[str, dict[str, object]]] = [
    ("show", {}),
    ("diff", {}),
    ("diff", {"--cached": True}),
    ("log", {"--patch": True}),
    ("grep", {"-e": "n"}),
]


def test_a_hidden_file_is_not_found_by_the_number_of_its_content_or_folder_either(hiding: Repository) -> None:
    numbers = {
        name: plain(hiding.path, "rev-parse", name).strip() for name in ("HEAD:.env", "HEAD:.github", "HEAD:sub")
    }
    file, folder, sub = numbers.values()
    top = plain(hiding.path, "rev-parse", "HEAD^{tree}").strip()
    words = [
        file,
        file[:7],
        folder,
        f"{folder}:flow.yml",
        f"{sub}:.env",
        f"{sub}..{top}",
        f"{top}...{sub}",
        "HEAD^{tree}",
    ]
    for word in [*words, "HEAD:sub", "HEAD:sub/", "HEAD:./"]:
        for call in CALLS:
            with suppress(UnsafeCommand):
                said = git().argv(*call, [word], hidden=(".*", "sub/b.txt")).run_sync(cwd=hiding)
                assert said.stdout == b"", (call, word)
    assert hiding.read(git(), ("log", {"--oneline": True}, ["HEAD~1..HEAD"])).text().count("\n") == 1
    assert b"needle" in hiding.read(git(), ("diff", {}, ["HEAD~1...HEAD"])).stdout
    assert hiding.read(git(), ("show", {}, ["HEAD:sub/b.txt"])).text() == "needle\n"


def test_git_tells_who_wrote_a_line_which_branches_there_are_and_where_a_text_is(hiding: Repository) -> None:
    assert b"needle" in hiding.read(git(), ("blame", {"-L": "1,1"}, ["HEAD", "sub/b.txt"])).stdout
    assert hiding.read(git(), ("branch", {}, [])).text() == "* main\n"
    assert hiding.read(git(), ("grep", {"-e": "no such text"}, [])).text() == ""
    with pytest.raises(UnsafeCommand, match="-e"):
        git().argv("grep", {}, ["HEAD"])
