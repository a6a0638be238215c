"""What a wire serves: the one door through which every transport reaches tools, resources and prompts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

if TYPE_CHECKING:
    from holdfast.core.context import Session
    from holdfast.core.pipeline import Answer
    from holdfast.core.principal import Principal

Kind = Literal["tool", "resource", "prompt", "completion"]
Listed = Literal["tools", "resources", "templates", "prompts"]


class Request(NamedTuple):
    """One thing that a caller wants done."""

    kind: Kind
    name: str
    """The tool's or prompt's name, the resource's URI, or a completion's owner and argument with a space between."""
    arguments: Mapping[str, Any]
    principal: Principal
    session: Session
    key: object = None
    """What the caller sent as its idempotency key (``_meta``), unchecked."""


class Endpoint(Protocol):
    """Above: a wire (stdio, HTTP, a gateway). Below: a server's frozen snapshot, its guards and its tools."""

    name: str
    version: str
    identity: Mapping[str, Any]
    """``title``, ``instructions``, ``website_url``, ``icons``: what a client may show."""
    local: Principal
    """Who calls over pipes: whoever started the process."""
    offered: frozenset[str]
    """Which of ``tools``, ``resources``, ``prompts``, ``completions`` there are."""

    async def handle(self, request: Request) -> Answer:
        """Do it. Every failure of a tool is an answer; only ``ProtocolError`` is raised."""
        ...

    def listed(self, what: Listed, principal: Principal) -> list[dict[str, Any]]:
        """The entries of one list that ``principal`` may use, as they go on the wire; the same object while it holds.

        A wire keeps what it has made of a list for as long as it is given the same one.
        """
        ...

    def input_schema(self, tool: str, principal: Principal) -> Mapping[str, Any] | None:
        """A tool's input schema, if there is such a tool for ``principal``."""
        ...

    def may_follow(self, uri: str, principal: Principal) -> bool:
        """Whether ``principal`` may be told now that the resource changed. What is not known here anybody may follow,
        unless the operator grants what may be used."""
        ...
