"""The command line of a server's own file: ``python server.py [stdio | http PORT] [--host H] [--auth]``."""

from __future__ import annotations

import sys
from typing import Any, Literal


def chosen(name: str, argv: list[str] | None) -> tuple[Literal["stdio", "http"], dict[str, Any]]:
    """The transport and its options. Exits with status 2 and a usage line when the words make no sense."""
    given = sys.argv[1:] if argv is None else argv
    if given in ([], ["stdio"]):  # how clients start it: there is nothing to parse, and so no parser to load
        return "stdio", {"host": None, "port": None, "auth": None}
    from argparse import ArgumentParser

    parser = ArgumentParser(description=f"{name}: an MCP server", allow_abbrev=False)
    parser.add_argument("transport", nargs="?", choices=("stdio", "http"), default="stdio", help="default: stdio")
    parser.add_argument("port", nargs="?", type=_port, help="port for http; 0 takes a free one")
    parser.add_argument("--host", help="address for http (default: 127.0.0.1)")
    parser.add_argument("--auth", action="store_true", help="ask for a token of HOLDFAST_AUTH__TOKENS (http)")
    words = parser.parse_args(given)
    if words.transport == "stdio" and words.port is not None:
        parser.error("stdio has no port; say: http PORT")
    return words.transport, {"host": words.host, "port": words.port, "auth": True if words.auth else None}


def _port(text: str) -> int:
    from argparse import ArgumentTypeError

    port = int(text) if text.isascii() and text.isdigit() else -1
    if not 0 <= port <= 65535:
        raise ArgumentTypeError("a port is a number from 0 to 65535")
    return port
