"""Ways to name what is outside the root, as data."""

from __future__ import annotations

from dataclasses import dataclass

from holdfast_attack.cases.spelled import Spelled
from holdfast_attack.model import Severity
from holdfast_attack.model.case import advisory

_CWE_22 = "CWE-22 (path traversal)"
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


SPELLINGS = (
    Spelling(
        name="parent",
        title="A path with .. does not leave the root",
        sends="paths with .. to a file and a folder beside the root",
        reference=advisory(f"CVE-2026-27735 and CVE-2025-68145 (mcp-server-git), {_CWE_22}"),
        quick=4,
        files=(
            "../outside/secret.txt",
            "{climb}{outside}/secret.txt",
            "notes/../../outside/secret.txt",
            "{workspace}/../outside/secret.txt",
            "./notes//..//..//outside//secret.txt",
            "notes/deep/../../../outside/secret.txt",
            "....//outside/secret.txt",
            "{climb_double}{outside}/secret.txt",
            "..././outside/secret.txt",
            "not-there/../../outside/secret.txt",
            "hello.txt/../../outside/secret.txt",
        ),
        folders=(
            "../outside",
            "{climb}{outside}",
            "..",
            "{workspace}/../outside",
            "notes/../../outside",
            "....//outside",
            "../outside/",
        ),
        guesses=(
            "../outside/secret.txt",
            "../outside/secret",
            "{climb}{outside}/secret",
            "{climb}{outside}/secret.txt",
        ),
        advisories=("CVE-2026-27735", "CVE-2025-68145", "CVE-2026-77258"),
    ),
    Spelling(
        name="absolute",
        title="An absolute path outside the root is refused",
        sends="absolute paths of a file and a folder outside the root",
        reference=advisory(f"CVE-2025-66689 (pal-mcp-server), CVE-2025-68143 (mcp-server-git), {_CWE_22}"),
        files=(
            "{outside}/secret.txt",
            "/{outside}/secret.txt",
            "/.{outside}/secret.txt",
            "/../../..{outside}/secret.txt",
        ),
        folders=("{outside}", "{base}", "/{outside}", "/.{outside}/"),
        guesses=("{outside}/secret.txt", "{outside}/secret"),
        advisories=("CVE-2025-66689", "CVE-2025-68143"),
    ),
    Spelling(
        name="encoded",
        title="A percent-encoded path does not leave the root",
        sends="paths whose dots or slashes are percent-encoded, once and twice",
        reference=advisory(f"CWE-177, {_CWE_22}"),
        quick=4,
        files=(
            "%2e%2e%2foutside%2fsecret.txt",
            "{climb_encoded}{outside}/secret.txt",
            "..%252foutside%252fsecret.txt",
            "{climb_twice}{outside_twice}%252fsecret.txt",
            "{climb_slashes}{outside_encoded}%2fsecret.txt",
            "{climb_all_encoded}{outside_encoded}%2fsecret.txt",
            "..%2foutside%2fsecret.txt",
            "%2e%2e/outside/secret.txt",
            "..%c0%afoutside%c0%afsecret.txt",
            "%252e%252e%252foutside%252fsecret.txt",
        ),
        folders=(
            "%2e%2e%2foutside",
            "{climb_encoded}{outside}",
            "..%252foutside",
            "{climb_twice}{outside_twice}",
            "..%2foutside",
            "%2e%2e/outside",
        ),
        guesses=("{climb_encoded}{outside}/secret.txt", "{climb_encoded}{outside}/secret"),
        remedy="decode a value once, before it is checked, or not at all; then " + RESOLVE,
    ),
    Spelling(
        name="backslash",
        title="Backslashes are no way out of the root",
        sends="paths with backslashes between their parts",
        reference=advisory(f"CWE-23, {_CWE_22}"),
        quick=2,
        files=(
            "..\\outside\\secret.txt",
            "{climb_back}{outside_back}\\secret.txt",
            "notes\\..\\..\\outside\\secret.txt",
            "..\\/outside/secret.txt",
        ),
        folders=("..\\outside", "{climb_back}{outside_back}", "notes\\..\\..\\outside"),
        remedy="refuse backslashes, or take them for separators before the check and not after it",
    ),
    Spelling(
        name="nul",
        title="A NUL in a path ends it nowhere",
        sends="paths with a NUL in the middle",
        reference=advisory("CWE-158; measured: openat2 called through ctypes reads up to the NUL"),
        files=("../outside/secret.txt\0.md", "hello.txt\0/../../outside/secret.txt", "{outside}/secret.txt\0"),
        folders=("../outside\0", "notes\0/../../outside"),
        remedy="refuse a path with a NUL before anything else looks at it",
    ),
    Spelling(
        name="sibling-prefix",
        title="A folder whose name begins like the root's is outside",
        sends="paths into <root>-private",
        reference=advisory("CVE-2025-53110 (server-filesystem, GHSA-hc55-p739-j48w)"),
        files=(
            "../workspace-private/secret.txt",
            "{sibling}/secret.txt",
            "{workspace}-private/../workspace-private/secret.txt",
        ),
        folders=("../workspace-private", "{sibling}"),
        guesses=("../workspace-private/secret.txt",),
        beside=("../{}-private/secret.txt",),
        remedy="compare with the separator (root + '/'), or better by Path.is_relative_to of what realpath gave",
        advisories=("CVE-2025-53110",),
    ),
    Spelling(
        name="symlink-file",
        title="A symbolic link to a file outside the root is not followed",
        sends="the name of a link in the root that leads to a file outside",
        reference=advisory("CVE-2025-53109 (server-filesystem, GHSA-q66q-fx2p-7w4m), CWE-59"),
        quick=1,
        files=("links/file", "links/relative", "{workspace}/links/file"),
        remedy=LINKS,
        advisories=("CVE-2025-53109",),
        link=True,
    ),
    Spelling(
        name="symlink-folder",
        title="A symbolic link to a folder outside the root is not followed",
        sends="paths through a link in the root that leads to a folder outside",
        reference=advisory("CVE-2025-53109 (server-filesystem, GHSA-q66q-fx2p-7w4m), CWE-59"),
        quick=1,
        files=("links/folder/secret.txt", "{workspace}/links/folder/secret.txt", "links/folder/../outside/secret.txt"),
        folders=("links/folder", "{workspace}/links/folder", "links/folder/"),
        remedy=LINKS,
        advisories=("CVE-2025-53109",),
        link=True,
    ),
    Spelling(
        name="symlink-chain",
        title="A chain of symbolic links that ends outside the root is not followed",
        sends="the name of a link to a link to a link that leads outside",
        reference=advisory("CVE-2025-53109 (server-filesystem), CWE-59"),
        quick=1,
        files=("links/chain-1", "links/chain-2"),
        remedy=LINKS,
        advisories=("CVE-2025-53109",),
        link=True,
    ),
    Spelling(
        name="hard-link",
        title="A hard link to a file outside the root is not read",
        sends="the name of a file in the root that is a hard link to one outside",
        reference=advisory("CWE-62; measured: it passes every check of the path"),
        quick=1,
        files=("linked.txt", "{workspace}/linked.txt"),
        severity=Severity.LOW,
        remedy="refuse files with st_nlink > 1 after opening, unless the root is known to hold such (package stores)",
    ),
    Spelling(
        name="file-url",
        title="A file: URL is no way out of the root",
        sends="file: URLs of a file and a folder outside the root",
        reference=advisory(f"CWE-73, {_CWE_22}"),
        quick=1,
        files=("file://{outside}/secret.txt", "file:{outside}/secret.txt", "file://localhost{outside}/secret.txt"),
        folders=("file://{outside}", "file:{outside}"),
        remedy="turn a URL into a path first, then check the path; or take no URLs",
    ),
    Spelling(
        name="tilde",
        title="A tilde is no way out of the root",
        sends="paths that begin with the user's home folder as ~ and ~user",
        reference=advisory(f"CVE-2025-68143 (mcp-server-git), {_CWE_22}"),
        quick=1,
        files=("~/{from_home}/secret.txt", "~{user}/{from_home}/secret.txt", "$HOME/{from_home}/secret.txt"),
        folders=("~/{from_home}", "~{user}/{from_home}"),
        remedy="do not expand ~ and variables in what a caller sends; or expand before the check",
    ),
    Spelling(
        name="unicode",
        title="Look-alikes of dots and slashes are no way out of the root",
        sends="paths with characters that become .. or / when they are normalised (NFKC)",
        reference=advisory("CWE-176"),
        files=(
            "\u2025/outside/secret.txt",
            "\uff0e\uff0e\uff0foutside\uff0fsecret.txt",
            "{climb_wide}{outside}/secret.txt",
            "\uff0e\uff0e/outside/secret.txt",
            "\u2024\u2024/outside/secret.txt",
            "..\u2215outside\u2215secret.txt",
        ),
        folders=("\u2025/outside", "\uff0e\uff0e\uff0foutside"),
        remedy="normalise before the check, or not at all",
    ),
)


PROC = Spelling(
    name="proc",
    title="Files of the kernel do not tell the server's secrets",
    sends="/proc/self/environ, and ways through /proc/self to files outside",
    reference=advisory("CWE-22; CWE-526 (secrets in the environment)"),
    quick=3,
    files=(
        "/proc/self/environ",
        "../../../../../../../../../../proc/self/environ",
        "/proc/self/root{outside}/secret.txt",
        "/proc/self/cwd/../outside/secret.txt",
        "/proc/thread-self/environ",
        "/dev/fd/../environ",
    ),
    folders=("/proc/self/cwd/../outside", "/proc/self/root{outside}"),
    remedy=RESOLVE + "; RESOLVE_NO_MAGICLINKS",
)
"""Where there is /proc."""
