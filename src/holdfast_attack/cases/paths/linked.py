"""Ways to name what is outside the root by links that stand in it, as data."""

from __future__ import annotations

from holdfast_attack.cases.paths.spelling import LINKS, Spelling
from holdfast_attack.model import Severity
from holdfast_attack.model.case import advisory

LINKED = (
    Spelling(
        name="symlink-file",
        title="A symbolic link to a file outside the root is not followed",
        sends="the name of a link in the root that leads to a file outside",
        reference=advisory("CVE-2025-53109 (server-filesystem, GHSA-q66q-fx2p-7w4m), CWE-59"),
        quick=1,
        guesses=("links/file",),
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
        guesses=("links/folder/secret.txt",),
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
)
