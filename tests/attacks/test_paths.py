"""Known vulnerabilities of the class "paths", each with the input that its public record describes.

Records: advisories of the GitHub Advisory Database, issues and articles, as each docstring names them.
Not reproduced: none; every record of the class was found.
"""

from __future__ import annotations

import io
import os
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError
from support.roots import root_of

from holdfast.errors import UnsafePath
from holdfast.safe.paths import DirPath, ReadPath, Root, WritePath
from holdfast.safe.sandbox import Sandbox

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no directory descriptors on Windows")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    place = tmp_path / "workspace"
    for folder in (
        place / "notes" / "deep",
        place / ".git",
        tmp_path / "workspace-private",
        tmp_path / "other" / ".git",
    ):
        folder.mkdir(parents=True)
    for file in ("workspace-private/secret.txt", "secret.txt", "other/.git/config", "workspace/.git/config"):
        (tmp_path / file).write_text("secret")
    for file in ("readme.md", "notes/one.md", "notes/deep/two.txt"):
        (place / file).write_text("inside")
    return place


@pytest.fixture(params=["openat2", "walker"])
def root(request: pytest.FixtureRequest, place: Path) -> Iterator[Root]:
    with root_of(place, request.param) as root:
        yield root


def code_of(work: Callable[[], object]) -> str:
    with pytest.raises(UnsafePath) as caught:
        work()
    assert "secret" not in caught.value.message
    assert "workspace-private" not in caught.value.message
    return caught.value.code


def outside(place: Path) -> dict[str, str]:
    """Every file beside the workspace, to see that none came, went or changed."""
    found = (file for file in place.parent.rglob("*") if file.is_file() and place not in file.parents)
    return {str(file.relative_to(place.parent)): file.read_text() for file in found}


KINDS = (ReadPath, WritePath, DirPath)


def every_way(root: Root, text: str) -> set[str]:
    """The codes with which every kind of handle and every method that reads, writes or lists refuses ``text``."""
    sandbox = Sandbox(workspace=root)
    codes = set()
    for kind in KINDS:
        try:
            handle = kind.from_text(text, sandbox)
        except UnsafePath as refusal:
            codes.add(refusal.code)
            continue
        ways: list[Callable[[], object]] = []
        if isinstance(handle, ReadPath):
            ways = [handle.open_sync, handle.read_text_sync, handle.read_bytes_sync, handle.stat_sync]
            ways += [lambda handle=handle: handle.extract_sync(root.dir("notes"))]
        elif isinstance(handle, WritePath):
            ways = [handle.remove_sync, lambda handle=handle: handle.move_sync(root.write("moved"))]
            ways += [lambda handle=handle: root.write("readme.md").move_sync(handle)]
            for how in ({}, {"make_parents": True}, {"backups": 2}):
                ways += [lambda handle=handle, how=how: handle.write_text_sync("x", **how)]
            ways += [lambda handle=handle: handle.append_text_sync("x", make_parents=True)]
        elif isinstance(handle, DirPath):
            ways = [handle.list_sync, handle.walk_sync, handle.open_fd_sync]
        codes |= {code_of(way) for way in ways}
    return codes


def test_cve_2025_53110_prefix_without_separator(root: Root, place: Path) -> None:
    """GHSA-hc55-p739-j48w: the check was ``startsWith("/private/tmp/allow_dir")``, which a sibling
    ``/private/tmp/allow_dir_sensitive_credentials`` passes."""
    before = outside(place)
    for text in ("../workspace-private/secret.txt", f"{place}-private/secret.txt", "../workspace-private"):
        assert every_way(root, text) == {"path.outside"}
    assert outside(place) == before


def test_cve_2025_53109_symlinks_out_of_the_workspace(root: Root, place: Path) -> None:
    """GHSA-q66q-fx2p-7w4m: a link inside (``allow_dir/link -> /etc``) was followed; when its target was refused, the
    fallback checked the link's parent directory instead, and the file was opened all the same."""
    (place / "link.txt").symlink_to(place.parent / "secret.txt")
    (place / "out").symlink_to(place.parent)
    (place / "same.md").symlink_to("readme.md")
    before = outside(place)
    for text in ("link.txt", "out/secret.txt", "same.md", "out"):
        assert every_way(root, text) <= {"path.symlink", "path.not_regular", "path.not_directory", "path.exists"}
        assert code_of(root.read(text).read_text_sync) == "path.symlink"
        assert code_of(lambda text=text: root.write(text).write_text_sync("x")) == "path.symlink"
    assert [entry.name for entry in root.dir().list_sync()] == ["notes", "readme.md"]
    assert len(root.dir().walk_sync()) == 3
    assert outside(place) == before


@pytest.mark.parametrize("text", ["/", "/tmp", "/etc", "/root/.ssh", "..", "../../..", "~root/../../..", "../other"])
def test_cve_2025_68143_a_repository_anywhere_on_the_machine(root: Root, text: str) -> None:
    """GHSA-5cgr-j3jf-jw3v: git_init took any path and made a repository there, whose files could then be read."""
    assert code_of(lambda: root.dir(text)) == "path.outside"
    assert code_of(lambda: root.dir(text + "/.git")) in {"path.outside", "path.hidden"}


def test_cve_2025_68145_a_repository_beside_the_configured_one(root: Root, place: Path) -> None:
    """GHSA-j22h-9j4x-23w5: with ``--repository`` set, each call's own ``repo_path`` was not held against it."""
    for text in ("../other", str(place.parent / "other"), "notes/../../other", "../workspace-private"):
        assert every_way(root, text) == {"path.outside"}
    (place / "sub").symlink_to(place.parent / "other")
    assert code_of(root.dir("sub").open_fd_sync) == "path.symlink"


@pytest.mark.parametrize(
    "text",
    [
        "../../../.kube/config",
        "../secret.txt",
        "notes/../../secret.txt",
        "./../secret.txt",
        "notes//..//..//secret.txt",
    ],
)
def test_cve_2026_27735_files_added_from_outside_the_repository(root: Root, text: str) -> None:
    """GHSA-vjqx-cfc4-9h6v: git_add handed ``../../../.kube/config`` in its list of files to ``index.add``."""
    with pytest.raises(ValidationError, match="leaves the workspace"):
        TypeAdapter(list[ReadPath]).validate_python(["readme.md", text], context=Sandbox(workspace=root))


@pytest.mark.parametrize(
    "text",
    ["../../root/.ssh/authorized_keys", "/etc/cron.d/job", "/root/.ssh/authorized_keys", ".ssh/authorized_keys",
     "~/.bashrc", "notes/../../secret.txt"],
)  # fmt: skip
def test_cve_2026_27825_a_download_written_anywhere(root: Root, place: Path, text: str) -> None:
    """mcp-atlassian < 0.17.0: confluence_download_attachment wrote to ``download_path`` as it was sent."""
    before = outside(place)
    assert every_way(root, text) <= {"path.outside", "path.hidden"}
    assert outside(place) == before


def test_cve_2026_77258_an_upload_is_guarded_like_a_download(root: Root, place: Path) -> None:
    """GHSA-93xw-j965-9mx3: the downloads called ``validate_safe_path``, ``upload_attachment`` opened its ``file_path``
    as it was sent (``/proc/self/environ`` in the report of a sibling, GHSA-g5r6-gv6m-f5jv). Here the type guards,
    so every method has it."""
    (place / "link").symlink_to("/proc/self/environ")
    for text in ("/proc/self/environ", "../secret.txt", "../../proc/self/environ"):
        assert every_way(root, text) == {"path.outside"}
    for read in (ReadPath.open_sync, ReadPath.read_text_sync, ReadPath.read_bytes_sync, ReadPath.stat_sync):
        assert code_of(lambda read=read: read(root.read("link"))) == "path.symlink"


def test_cve_2025_66689_the_deny_list_covers_children(place: Path) -> None:
    """BeehiveInnovations/pal-mcp-server issue 293: ``str(resolved) in DANGEROUS_PATHS`` refused ``/etc`` and not
    ``/etc/passwd``, ``C:\\Windows`` and not what lies beneath."""
    root = Root(place, deny=[".*", "etc", "Windows", "team/private"])
    for folder in ("etc", "Windows", "team/private"):
        (place / folder / "deep").mkdir(parents=True)
        (place / folder / "passwd").write_text("secret")
    for folder in ("etc", "ETC", "windows", "team/private", "Team/PRIVATE"):
        for text in (folder, f"{folder}/passwd", f"{folder}/deep/x", f"notes/../{folder}/passwd", f"{folder}/."):
            assert every_way(root, text) == {"path.hidden"}
    shown = {path.text for path in root.dir().walk_sync()}
    assert shown == {"readme.md", "notes/one.md", "notes/deep/two.txt"}
    root.close()


def test_desktopcommander_420_a_missing_target_is_no_reason_to_skip_the_check(root: Root, place: Path) -> None:
    """wonderwhy-er/DesktopCommanderMCP issue 420: for a file yet to be made ``realpath`` threw ENOENT, which was
    swallowed, and the unresolved path was written to, through a dangling link or one in a directory above."""
    (place / "out").symlink_to(place.parent)
    (place / "dangling").symlink_to(place.parent / "new.txt")
    before = outside(place)
    for text in ("out/new.txt", "out/a/b.txt", "dangling", "dangling/x"):
        for how in ({}, {"make_parents": True}, {"backups": 1}):
            assert code_of(lambda text=text, how=how: root.write(text).write_text_sync("x", **how)) == "path.symlink"
        assert code_of(lambda text=text: root.write(text).append_text_sync("x", make_parents=True)) == "path.symlink"
        assert code_of(lambda text=text: root.write("readme.md").move_sync(root.write(text))) in {
            "path.symlink",
            "path.exists",
        }
    assert outside(place) == before


SLIPS = ("../slip.txt", "../../slip.txt", "/abs.txt", "ok/../../slip.txt", "..\\slip.txt", "ok/..\\..\\slip.txt")


@pytest.mark.parametrize("name", SLIPS)
@pytest.mark.parametrize("form", ["zip", "tar"])
def test_zip_slip_an_archive_is_extracted_through_the_guard(root: Root, place: Path, form: str, name: str) -> None:
    """Snyk, 2018: members called ``../../../tmp/evil`` were written where their names said."""
    out = io.BytesIO()
    if form == "zip":
        with zipfile.ZipFile(out, "w") as made:
            made.writestr("ok/good.txt", "member")
            made.writestr(zipfile.ZipInfo(name), "member")
    else:
        with tarfile.TarFile(fileobj=out, mode="w") as packed:
            for member in ("ok/good.txt", name):
                item = tarfile.TarInfo(member)
                item.size = 6
                packed.addfile(item, io.BytesIO(b"member"))
    (place / "evil").write_bytes(out.getvalue())
    before = outside(place)
    assert code_of(lambda: root.read("evil").extract_sync(root.dir("notes"))) in {"path.outside", "path.name"}
    assert outside(place) == before
    assert sorted(os.listdir(place / "notes")) == ["deep", "one.md"]
    assert not os.path.exists("/abs.txt")


def test_cve_2007_4559_a_tar_whose_link_leads_its_next_member_outside(root: Root, place: Path) -> None:
    """tarfile's extractall followed ``..`` in names, and links that earlier members had made."""
    out = io.BytesIO()
    with tarfile.TarFile(fileobj=out, mode="w") as packed:
        link = tarfile.TarInfo("out")
        link.type, link.linkname = tarfile.SYMTYPE, "../.."
        packed.addfile(link)
        item = tarfile.TarInfo("out/slip.txt")
        item.size = 1
        packed.addfile(item, io.BytesIO(b"x"))
    (place / "evil").write_bytes(out.getvalue())
    before = outside(place)
    assert code_of(lambda: root.read("evil").extract_sync(root.dir("notes"))) == "path.archive_member"
    assert outside(place) == before


@pytest.mark.parametrize(
    "name",
    [".git", ".GIT", ".Git", ".g\u200cit", "\u200d.git", ".\ufeffgit", ".gi\u206ft", "\u202e.git", ".g\ufe0fit",
     ".g\u034fit", ".\u115fgit", ".g\U000e0100it", "GIT~1", "git~1", "GI7EB1~1", ".git ", ".git.", ".git. .",
     "．git", "․git", ".ｇｉｔ"],
)  # fmt: skip
def test_cve_2014_9390_spellings_that_a_file_system_takes_for_dot_git(root: Root, place: Path, name: str) -> None:
    """git before 2.2.1 checked out ``.GIT/config`` and, on HFS+, ``.g<ZWNJ>it/config``; on NTFS ``git~1/config``. A
    case-folding ext4 directory ignores every default-ignorable character, not only those that HFS+ does."""
    for text in (name, f"{name}/config", f"notes/{name}/hooks/pre-commit", f"notes/{name.upper()}/x"):
        assert every_way(root, text) <= {"path.hidden", "path.name"}
    assert (place / ".git" / "config").read_text() == "secret"


@pytest.mark.parametrize("text", ["self/fd/0", "self/cwd/x", "self/root/etc/passwd", "self/exe", "thread-self/fd/0"])
def test_magic_links_of_proc_are_refused(text: str) -> None:
    """A magic link leads anywhere without being a path at all."""
    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("no /proc here")
    for resolver in ("auto", "walker"):
        proc = Root("/proc", resolver=resolver)  # type: ignore[arg-type]
        assert code_of(proc.read(text).read_bytes_sync) == "path.symlink"
        proc.close()
