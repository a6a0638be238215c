"""What words in the name of a parameter say about what it takes: the table behind `roles.py`, as data."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Role(StrEnum):
    """What a tool does with a parameter, as far as its schema and names tell."""

    PATH = "path"  # names a file
    FOLDER = "folder"  # names a folder
    URL = "url"  # an address that is fetched
    COMMAND = "command"  # a line or a program that is run
    ARGUMENT = "argument"  # goes to a program: a revision, a branch, a flag, a host
    SQL = "sql"  # a statement
    PATTERN = "pattern"  # a regular expression or a glob
    DURATION = "duration"  # how long to wait or to run, a number
    COUNT = "count"  # how many, how large, from where: a number
    TEXT = "text"  # any other text
    OTHER = "other"  # a choice, a flag, a date, an id, an object


def each(words: str) -> frozenset[str]:
    """Words of a text as a set."""
    return frozenset(words.split())


def _table(rows: Mapping[Role, str]) -> dict[str, Role]:
    return {word: role for role, words in rows.items() for word in words.split()}


OF_STRINGS: Final = _table(
    {
        Role.PATH: "path file filename filepath pathname archive zip tarball attachment",
        Role.FOLDER: "folder directory dir dirname cwd workdir subdirectory subfolder",
        Role.URL: "url uri link href webhook website",
        Role.COMMAND: "command cmd commandline script shell exec executable program",
        Role.ARGUMENT: "ref refspec revision rev branch commit sha tag remote flag option arg argument argv param"
        " host hostname domain ip package service process",
        Role.SQL: "sql statement stmt",
        Role.PATTERN: "pattern regex regexp glob wildcard",
        Role.TEXT: "text content message body note comment title subject prompt question summary caption term keyword"
        " search description",
        Role.OTHER: "timezone tz language lang locale encoding mime type format mode unit currency email mail user"
        " username password token key secret id uuid guid color colour date datetime day month year status state level"
        " kind order sort version cursor table column collection timeout delay duration interval",
    }
)
"""The head of a name decides: the last word that is in the table, so that `source_timezone` is none of a file."""

OF_NUMBERS: Final = _table(
    {
        Role.DURATION: "second sec millisecond milli ms minute min hour delay duration timeout wait sleep interval ttl"
        " deadline period",
        Role.COUNT: "count limit max maximum minimum length size n num number index offset page depth top line head"
        " tail width height amount total first last row byte start end skip take repeat time iteration",
    }
)

NEUTRAL: Final = each("name value string str input output the a of to from in new old base full raw")
"""Words that say nothing of what is named; the word before them does."""

GIT: Final = each("git commit branch revision diff checkout merge rebase ref")
FILES: Final = each("file path folder directory dir copy move rename archive extract")
DATABASE: Final = each("sql database db sqlite postgres postgresql mysql select table")
RUNNING: Final = each("run execute exec eval python shell bash script interpreter javascript")
NETWORK: Final = each("host ping dns port scan server network address traceroute lookup")
WEB: Final = each("url web http https fetch page website crawl browse download")
REGULAR: Final = each("regex regexp regular grep glob")
FOLDERS: Final = each("folder directory dir cwd repo repository workspace project root tree subfolder")
LISTING: Final = each("list ls tree search find walk grep")

BY_CONTEXT: Final[Mapping[str, tuple[tuple[frozenset[str], Role], ...]]] = {
    "query": ((DATABASE, Role.SQL), (REGULAR, Role.PATTERN)),
    "code": ((RUNNING, Role.COMMAND),),
    "expression": ((REGULAR, Role.PATTERN),),
    "source": ((FILES, Role.PATH), (WEB, Role.URL)),
    "src": ((FILES, Role.PATH), (WEB, Role.URL)),
    "destination": ((FILES, Role.PATH), (NETWORK, Role.ARGUMENT)),
    "dest": ((FILES, Role.PATH),),
    "dst": ((FILES, Role.PATH),),
    "target": ((GIT, Role.ARGUMENT), (FILES, Role.PATH), (NETWORK, Role.ARGUMENT), (WEB, Role.URL)),
    "image": ((FILES, Role.PATH), (WEB, Role.URL)),
    "document": ((FILES, Role.PATH),),
    "doc": ((FILES, Role.PATH),),
    "report": ((FILES, Role.PATH),),
    "template": ((FILES, Role.PATH),),
    "log": ((FILES, Role.PATH),),
    "pdf": ((FILES, Role.PATH), (WEB, Role.URL)),
    "csv": ((FILES, Role.PATH), (WEB, Role.URL)),
    "picture": ((FILES, Role.PATH), (WEB, Role.URL)),
    "photo": ((FILES, Role.PATH), (WEB, Role.URL)),
    "video": ((FILES, Role.PATH), (WEB, Role.URL)),
    "site": ((WEB, Role.URL),),
    "feed": ((WEB, Role.URL),),
    "repo": ((FILES, Role.FOLDER), (frozenset({"repo", "repository"}), Role.ARGUMENT)),
    "repository": ((FILES, Role.FOLDER), (frozenset({"repo", "repository"}), Role.ARGUMENT)),
    "root": ((FILES, Role.FOLDER),),
    "workspace": ((FILES, Role.FOLDER),),
    "project": ((FILES, Role.FOLDER),),
    "timestamp": ((GIT, Role.ARGUMENT),),
    "since": ((GIT, Role.ARGUMENT),),
    "until": ((GIT, Role.ARGUMENT),),
    "contain": ((GIT, Role.ARGUMENT),),
    "name": ((GIT, Role.ARGUMENT), (frozenset({"file"}), Role.PATH)),
    "address": ((NETWORK, Role.ARGUMENT),),
    "server": ((NETWORK, Role.ARGUMENT),),
    "page": ((WEB, Role.URL),),
    "endpoint": ((WEB, Role.URL),),
}
"""Words that mean one thing near some words and another near others: the first row with a word in common decides."""

OF_FORMATS: Final[Mapping[str, Role]] = {
    "uri": Role.URL,
    "url": Role.URL,
    "uri-reference": Role.URL,
    "iri": Role.URL,
    "iri-reference": Role.URL,
    "path": Role.PATH,
    "file-path": Role.PATH,
    "directory-path": Role.FOLDER,
    "regex": Role.PATTERN,
    "sql": Role.SQL,
    "hostname": Role.ARGUMENT,
    "idn-hostname": Role.ARGUMENT,
} | dict.fromkeys(
    ("date", "date-time", "time", "duration", "email", "idn-email", "uuid", "ipv4", "ipv6", "json-pointer", "binary"),
    Role.OTHER,
)

OF_DESCRIPTIONS: Final[tuple[tuple[frozenset[str], Role], ...]] = (
    (frozenset({"sql"}), Role.SQL),
    (frozenset({"url", "uri", "urls"}), Role.URL),
    (REGULAR, Role.PATTERN),
    (frozenset({"directory", "folder"}), Role.FOLDER),
    (frozenset({"path", "filename", "paths"}), Role.PATH),
    (frozenset({"shell", "command"}), Role.COMMAND),
)
"""For a name that says nothing: words of the parameter's own description."""
