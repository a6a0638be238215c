"""Every hole that was measured in the bare SDK 2.3 and in FastMCP 4.1, and the case that is meant to find it.

Two tables, one entry for each thing that happened: a ``Hole`` with a case, or with ``blind``, the reason why nobody can
see it from outside.
"""

from __future__ import annotations

from dataclasses import dataclass

LEGACY, MODERN = "2025-11-25", "2026-07-28"
STDIO, HTTP = "stdio", "http"
LOW, HIGH, BLOCK, FASTMCP, TIMED = "sdk_low", "sdk_high", "sdk_block", "fastmcp_holes", "fastmcp_timed"
"""The servers beside this module."""
TAKE_LONG = frozenset(
    {
        "hygiene.exit-on-sigint",
        "hygiene.exit-under-way",
        "paths.non-utf8-name",
        "wire.cancel-lookalike",
        "wire.long-line",
        "wire.reader-stops",
        "http.body-slow",
        "http.disconnect",
        "http.id-reused",
        "http.listen-flood",
        "time.cancelled",
        "time.deadline-kept",
        "time.many-sleeping",
        "time.neighbours",
        "load.in-flight",
        "load.results-parked",
    }
)
"""Cases that wait for many seconds, or for which only the full profile goes far enough: with ``SOAK=1`` alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hole:
    """``does`` is what the server was seen to do; ``shows`` is the tool, or a word, that one of the findings must name;
    ``deadline`` is handed to the run as ``--call-deadline``.
    """

    does: str
    server: str
    case: str = ""
    transport: str = STDIO
    version: str = LEGACY
    shows: str = ""
    deadline: float | None = None
    blind: str = ""

    @property
    def long(self) -> bool:
        """Whether it is looked for with ``SOAK=1`` alone."""
        return self.case in TAKE_LONG

    @property
    def name(self) -> str:
        """For pytest."""
        return "-".join(filter(None, (self.server, self.case or "blind", self.shows, self.transport, self.version)))


def sdk(does: str, case: str = "", server: str = LOW, **more: object) -> Hole:
    return Hole(does=does, server=server, case=case, **more)  # type: ignore[arg-type]  # fields of Hole


def fastmcp(does: str, case: str = "", **more: object) -> Hole:
    return Hole(does=does, case=case, **({"server": FASTMCP} | more))  # type: ignore[arg-type]  # fields of Hole


OF_THE_SDK = (
    sdk("a handler's exception reaches the client with the secret in it", "leaks.exception-text"),
    sdk("... and so a secret of the environment does", "leaks.environment"),
    sdk("its traceback is logged with the secret, in both eras", "leaks.environment", shows="stderr", version=MODERN),
    sdk("arguments of a wrong type reach the handler, low-level server", "schema.type"),
    sdk("arguments with one missing reach the handler, low-level server", "schema.missing"),
    sdk("arguments with one too many reach the handler, low-level server", "schema.extra"),
    sdk("a bad argument is given back with its value", "leaks.error-echo", HIGH),
    sdk("the text 41 becomes the number 41", "schema.coercion", HIGH),
    sdk(
        "extra arguments are ignored",
        server=HIGH,
        blind="the schema that this server publishes does not forbid them, so that they are valid",
    ),
    sdk("a lone surrogate in a result ends the process", "paths.non-utf8-name"),
    sdk("a lone surrogate in a result leaves an HTTP request without an answer", "paths.non-utf8-name", transport=HTTP),
    sdk("garbage on stdin is dropped without a word", "wire.garbage"),
    sdk("a batch is dropped without a word", "wire.batch"),
    sdk("an integer of 5,000 digits is dropped without a word", "wire.big-integer"),
    sdk("deep nesting is dropped without a word", "wire.deep"),
    sdk("a request with the id null is taken for a notification", "wire.id-null"),
    sdk("a request with the id 1.5 is taken for a notification", "wire.id-fraction"),
    sdk("a request with the id true is taken for a notification", "wire.id-bool"),
    sdk("a request with the id {} is taken for a notification", "wire.id-object"),
    sdk("NaN reaches the handler", "wire.nan"),
    sdk("1e999 reaches the handler", "wire.infinity"),
    sdk("of two equal keys the last reaches the handler", "wire.duplicate-keys"),
    sdk("an id of a megabyte is taken and given back", "wire.id-unbounded"),
    sdk("invalid UTF-8 reaches the handler", "wire.invalid-utf8"),
    sdk("a line of 256 MB is taken and costs five times that", "wire.long-line"),
    sdk("calls without end all run at once", "load.in-flight"),
    sdk(
        "... and 20,000 of them hold up its end for 9 s",
        blind="that they are taken is the hole (load.in-flight); its end is tried with as many as an honest client has",
    ),
    sdk("time.sleep in an async handler stops everybody", "time.neighbours", BLOCK),
    sdk("... and cancelling it does nothing", "time.cancelled", BLOCK),
    sdk("... and neither does the end of the input", "hygiene.exit-under-way", BLOCK),
    sdk("39 sleeping sync tools stop the async ones too", "time.many-sleeping", HIGH, shows="sleep"),
    sdk("fail_after around a thread comes too late", "time.deadline-kept", HIGH, shows="hurried", deadline=1.0),
    sdk(
        "of two requests with one id only the later can be cancelled",
        blind="both are answered, as JSON-RPC has it; which of them a cancellation means, nobody can say",
    ),
    sdk("cancelling \"1_0\" ends request 10", "wire.cancel-lookalike"),
    sdk("an id used twice leaves the first POST without an answer", "http.id-reused", transport=HTTP),
    sdk("results for a client that does not read pile up", "load.results-parked"),
    sdk("... and it does not end when its input is closed", "wire.reader-stops"),
    sdk("SIGINT leaves it stuck until its input is closed", "hygiene.exit-on-sigint"),
    sdk(
        "a broken pipe leaves it stuck until its input is closed",
        blind="no specification has it end before; when its input is closed it does (wire.early-close passes)",
    ),
    sdk(
        "SIGTERM kills it without any cleaning up",
        blind="this server has nothing to clean up that another process can see; FastMCP's has (hygiene.orphans)",
    ),
    sdk("a client that goes away orphans the handler", "http.disconnect", HIGH, transport=HTTP),
    sdk("a slow body is held open for more than 20 s", "http.body-slow", transport=HTTP),
    sdk("one client opens all 1,024 listening streams", "http.listen-flood", HIGH, transport=HTTP, version=MODERN),
    sdk(
        "a lone surrogate in an argument reaches the handler, in the new era",
        blind="its answer comes back as an escape in valid JSON (RFC 8259, 8.2), so that nobody is harmed by it",
    ),
    sdk("a malformed body is given back with its values", "http.reflected", transport=HTTP),
)  # fmt: skip

OF_FASTMCP = (
    fastmcp("an argument of 400 MB is taken and costs four times that", "wire.long-line"),
    *(
        fastmcp(f"a {kind} tool outlives its timeout", "time.deadline-kept", server=TIMED, shows=name, deadline=1.0)
        for kind, name in (("sync", "sleep"), ("blocking", "block"), ("stubborn", "stubborn"))
    ),
    fastmcp("39 hung sync tools stop the whole server", "time.many-sleeping", shows="sleep"),
    fastmcp("calls are not bounded", "load.in-flight"),
    fastmcp(
        "its rate limit is one bucket for all, and lists count",
        blind="without authentication nobody can say which requests are one client's",
    ),
    fastmcp(
        "its rate limit keeps every client that it ever saw",
        blind="1.1 KiB each: the 1,800 clients of load.principals stay beneath the 4 MiB that it calls a leak",
    ),
    fastmcp("a secret in a result goes out", "leaks.environment"),
    fastmcp("an exception's text goes out", "leaks.exception-text"),
    fastmcp("a symbolic link to a file outside is followed", "paths.symlink-file"),
    fastmcp("a symbolic link to a folder outside is followed", "paths.symlink-folder"),
    fastmcp("results are not bounded", "load.results-parked"),
    fastmcp("a result that its own output schema forbids goes out", "schema.output"),
    fastmcp("hidden text goes out as it is", "text.hidden"),
    fastmcp("a blocking tool stops everybody, and nobody notices", "time.neighbours", shows="block"),
    fastmcp(
        "there is no /health, no /metrics, no audit log and no breaker",
        blind="what a server does not offer harms no caller; a case would be taste",
    ),
    fastmcp(
        "its retry ran a destructive tool four times",
        blind="who calls a tool cannot count how often it ran: the answer is the same",
    ),
    fastmcp(
        "its cache answers for a destructive tool",
        blind="an answer from a cache is the answer that was given before; its effect shows only to who knows the tool",
    ),
    fastmcp(
        "SIGTERM: what it has started is not ended, be it over stdio or HTTP",
        blind="hygiene.orphans ends a server as a client does, by closing its input; after that FastMCP does clean up",
    ),
    fastmcp("a .env in the working folder is read", "hygiene.env-file"),
    fastmcp("a foreign Host is served", "http.host-foreign", transport=HTTP, version=MODERN),
    fastmcp("a foreign Origin is served", "http.origin-foreign", transport=HTTP, version=MODERN),
    fastmcp(
        "its start takes two seconds and its banner asks a package index",
        blind="no specification bounds a start, and these servers have no banner; docs/comparison.md has the seconds",
    ),
)  # fmt: skip

HOLES = (*OF_THE_SDK, *OF_FASTMCP)
