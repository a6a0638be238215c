"""``holdfast token``: makes API keys for callers over HTTP, and hashes those that there are; never through argv."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Who will hold it, as logs and limits will call it.")]
ScopesOption = Annotated[
    str | None, typer.Option("--scopes", metavar="A,B", help="What it may use (default: everything).")
]
ExpiresOption = Annotated[
    str | None, typer.Option("--expires", metavar="DATE", help="When it ends: 2027-01-31, or 2027-01-31T12:00:00Z.")
]


def new(name: NameArgument, scopes: ScopesOption = None, expires: ExpiresOption = None) -> None:
    """Make a key. Prints it, this once, and the entry for HOLDFAST_AUTH__TOKENS or its file, which holds its hash."""
    from holdfast.access.apikeys import new_key

    made = new_key(_scopes(scopes), expires)
    entry = _checked(name, made.entry)
    print(made.key)
    print(entry)
    sys.stderr.write("the first line is the key, for its holder only; the second is for the server's settings\n")


def hash_(name: NameArgument, scopes: ScopesOption = None, expires: ExpiresOption = None) -> None:
    """Hash a key, given on standard input or at a hidden prompt. Prints the entry for HOLDFAST_AUTH__TOKENS."""
    from holdfast.access.apikeys import entry_for
    from holdfast.cli.secret import asked

    print(_checked(name, entry_for(asked("Key (not shown): "), _scopes(scopes), expires)))


def _scopes(text: str | None) -> list[str] | None:
    return None if text is None else [scope.strip() for scope in text.split(",") if scope.strip()]


def _checked(name: str, entry: dict[str, object]) -> str:
    """The entry as text, which the server would take. Raises ``ConfigurationError``."""
    from holdfast.access.apikeys import setting
    from holdfast.access.tokens import TokenTable

    text = setting(name, entry)
    TokenTable(text)
    return text
