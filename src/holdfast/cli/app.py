"""Puts the commands together; built anew for each run, so that importing it registers nothing."""

from __future__ import annotations

import sys

import typer

from holdfast.cli.attack import attack
from holdfast.cli.call import call
from holdfast.cli.check import check
from holdfast.cli.listing import list_
from holdfast.cli.new import new
from holdfast.cli.run import run
from holdfast.cli.secret import encrypt, new_key, rotate
from holdfast.cli.settings import config
from holdfast.cli.status import status
from holdfast.cli.token import hash_
from holdfast.cli.token import new as new_token
from holdfast.cli.version import version


def build() -> typer.Typer:
    """The whole command line."""
    app = _group("Hardened servers for the Model Context Protocol.", add_completion=True)
    for name, command in (
        ("run", run),
        ("status", status),
        ("list", list_),
        ("call", call),
        ("check", check),
        ("attack", attack),
        ("config", config),
        ("new", new),
        ("version", version),
    ):
        app.command(name)(command)
    secret = _group("Encrypt secrets for settings, renew them, and make keys.", add_completion=False)
    for name, action in (("encrypt", encrypt), ("rotate", rotate), ("new-key", new_key)):
        secret.command(name)(action)
    app.add_typer(secret, name="secret")
    token = _group("Make API keys for callers over HTTP, and hash those that there are.", add_completion=False)
    for name, making in (("new", new_token), ("hash", hash_)):
        token.command(name)(making)
    app.add_typer(token, name="token")
    return app


def _group(summary: str, *, add_completion: bool) -> typer.Typer:
    return typer.Typer(
        help=summary,
        no_args_is_help=True,
        add_completion=add_completion,
        pretty_exceptions_enable=False,  # they would print local variables, and with them secrets
        rich_markup_mode="rich" if sys.stdout is not None and sys.stdout.isatty() else None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
