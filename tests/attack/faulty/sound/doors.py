"""Who may ask over HTTP, and with what headers: each rule is a method that refuses."""

from __future__ import annotations

import base64
import hmac
import os
from typing import Any

from sound.calls import Peer
from sound.errors import HEADER_MISMATCH, HttpRefused, Refused
from sound.protocol import LEGACY, META, MODERN
from sound.requests import Head


class Doors:
    """Exact lists; what is not named is refused."""

    METHODS = ("POST", "DELETE")
    port = 0

    def enter_http(self, head: Head) -> None:
        """Every rule that does not need the body. Raises ``HttpRefused``."""
        self.check_host(head.headers.get("host"))
        self.check_origin(head.headers.get("origin"))
        self.check_target(head.target)
        self.check_token(head)
        self.check_method(head)
        self.check_version(head.headers.get("mcp-protocol-version"))
        if head.method == "POST":
            self.check_type(head.headers.get("content-type", ""))
            self.check_accept(head.headers.get("accept"))

    def own_names(self) -> set[str]:
        """What this server is called."""
        return {f"{name}:{self.port}" for name in ("127.0.0.1", "localhost", "[::1]")}

    def check_host(self, host: str | None) -> None:
        """A page whose name was bound to this machine sends its own name (DNS rebinding)."""
        if host is None:
            raise HttpRefused(400, "a request has a Host")
        if host.lower() not in self.own_names():
            raise HttpRefused(403, "this server has another name")

    def check_origin(self, origin: str | None) -> None:
        """A browser says whose page asks."""
        if origin is not None and origin.lower() not in {f"http://{name}" for name in self.own_names()}:
            raise HttpRefused(403, "pages of other sites may not ask")

    def check_target(self, target: str) -> None:
        """One path, in one spelling; what follows a question mark says nothing."""
        if target.partition("?")[0] != "/mcp":
            raise HttpRefused(404, "there is nothing here")

    def check_method(self, head: Head) -> None:
        """The server begins no streams of its own."""
        if head.method not in self.METHODS or (head.method == "DELETE" and self.says_modern(head)):
            raise HttpRefused(405, "this method is not served", Allow="POST, DELETE")

    def check_token(self, head: Head) -> None:
        """The bearer token, where there is one: in this header and nowhere else."""
        token = os.environ.get("ATTACK_TOKEN")
        if token is None:
            return
        scheme, _, given = head.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not self.same_token(given.encode(), token.encode()):
            raise HttpRefused(401, "a token is needed", **{"WWW-Authenticate": "Bearer"})

    def same_token(self, given: bytes, token: bytes) -> bool:
        """In a time that says nothing."""
        return hmac.compare_digest(given, token)

    def check_version(self, version: str | None) -> None:
        """A version that nobody knows is refused before anything is read by its rules."""
        if version is not None and version not in (*LEGACY, MODERN):
            raise HttpRefused(400, "this version is not supported")

    def check_type(self, kind: str) -> None:
        """A form of a web page can send text, but not JSON."""
        if kind.partition(";")[0].strip().lower() != "application/json":
            raise HttpRefused(415, "a message is application/json")

    def check_accept(self, accept: str | None) -> None:
        """Answers are JSON."""
        kinds = {kind.partition(";")[0].strip().lower() for kind in (accept or "*/*").split(",")}
        if not kinds & {"application/json", "application/*", "*/*"}:
            raise HttpRefused(406, "answers are application/json")

    def says_modern(self, head: Head) -> bool:
        """Whether a request is of 2026-07-28."""
        return head.headers.get("mcp-protocol-version") == MODERN

    def agree(self, head: Head, message: dict[str, Any]) -> None:
        """Headers of 2026-07-28 repeat what the body says, for whatever looks only at them."""
        number, params = message.get("id"), message.get("params", {})
        meta = params.get("_meta") if isinstance(params.get("_meta"), dict) else {}
        told = {"mcp-protocol-version": meta.get(META + "protocolVersion"), "mcp-method": message.get("method")}
        if message.get("method") == "tools/call" and isinstance(params.get("name"), str):
            told["mcp-name"] = params["name"]
        for name, value in told.items():
            if value is None and name == "mcp-protocol-version":
                continue  # the envelope is incomplete, which has an error of its own
            if not self.says(head.headers.get(name), value):
                raise Refused(HEADER_MISMATCH, f"the header {name} does not say what the body says", number)

    def says(self, header: str | None, value: Any) -> bool:
        """Whether a header says a value; what is not ASCII is sent as base64 (MCP 2026-07-28, transports)."""
        if header is not None and header.startswith("=?base64?") and header.endswith("?="):
            try:
                header = base64.b64decode(header[9:-2], validate=True).decode()
            except ValueError:
                return False
        return header == value

    def always(self) -> dict[str, str]:
        """Headers of every answer; none that lets a page of another site read it."""
        return {"Cache-Control": "no-store"}

    def fresh_peer(self) -> Peer:
        """For one request of 2026-07-28, which knows of no other."""
        return Peer(version=MODERN)
