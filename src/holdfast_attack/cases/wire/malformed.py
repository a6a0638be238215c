"""Messages that are no messages, or not quite."""

from __future__ import annotations

from holdfast_attack.cases.wire.sends import ANSWERED, TAKEN, UNTAKEN, Sends, lists, plays
from holdfast_attack.model import Case, Severity
from holdfast_attack.model.case import STDIO, advisory, measured, spec

JSONRPC = "JSON-RPC 2.0, section 5 (Response object) and 5.1 (Error object)"
SILENT = "the MCP Python SDK 2.3.0 drops such lines without a word, and the client waits for ever"

_PARAMS = b'"params":{"_meta":{%envelope%"com.example/attack":1}}'
_LIST = b'"method":"tools/list",' + _PARAMS

GARBAGE = (
    Sends("a line that is no JSON", b"hello"),
    Sends("a request that breaks off before its last bracket", b'{"jsonrpc":"2.0","id":%id%,"method":"tools/list"'),
    Sends("brackets the wrong way round", b"}{"),
    Sends("an HTTP request line", b"GET / HTTP/1.1"),
    Sends("a JSON string", b'"tools/list"'),
    Sends("JSON null", b"null"),
)
INVALID_UTF8 = (
    lists("a byte that never stands in UTF-8 (ff)", b'"\xff"'),
    lists("a sequence that breaks off (c3 28)", b'"\xc3("'),
    lists("an overlong solidus (c0 af)", b'"..\xc0\xaf.."'),
    lists("an encoded surrogate (ed a0 80)", b'"\xed\xa0\x80"'),
)
SEPARATORS = tuple(
    lists(f"a text with U+{ord(one):04X} in it", f'"a{one}b"'.encode(), TAKEN) for one in "\u2028\u2029\u0085"
)
DUPLICATES = (
    Sends(
        "a request with two methods",
        b'{"jsonrpc":"2.0","id":%id%,"method":"ping",' + _LIST + b"}",
    ),
    lists("an object with one key twice", b'{"name":"a","name":"b"}'),
)
KEY_CASE = (
    Sends("METHOD for method", b'{"jsonrpc":"2.0","id":%id%,"METHOD":"tools/list",' + _PARAMS + b"}", UNTAKEN),
    Sends(
        "Id for id and Method for method",
        b'{"jsonrpc":"2.0","Id":%id%,"Method":"tools/list",' + _PARAMS + b"}",
        UNTAKEN,
    ),
    Sends("JSONRPC for jsonrpc", b'{"JSONRPC":"2.0","id":%id%,' + _LIST + b"}", UNTAKEN),
)

CASES = (
    Case(
        id="wire.garbage",
        title="Lines that are no JSON, or no object",
        severity=Severity.MEDIUM,
        sends="six lines that are no JSON-RPC message, each with an honest request behind it",
        sound="answers each with an error (-32700 or -32600, its id null or left out), and the honest requests too",
        reference=spec(f"{JSONRPC}: -32700 and -32600, the id is null when it could not be detected"),
        remedy="where the parser fails, answer with -32700 instead of dropping the line",
        play=plays(*GARBAGE),
        transports=STDIO,
        seconds=45.0,
        advisories=("CVE-2025-53365",),
    ),
    Case(
        id="wire.empty-lines",
        title="Empty lines between messages",
        severity=Severity.MEDIUM,
        sends="empty lines and lines of blanks, and an honest request behind them",
        sound="answers the honest request",
        reference=spec("MCP 2025-11-25, Transports, stdio: messages are delimited by newlines"),
        remedy="skip lines that hold nothing but blanks",
        play=plays(Sends("empty lines", b"\n\n   \n\t\n\r\n", UNTAKEN)),
        transports=STDIO,
        seconds=45.0,
    ),
    Case(
        id="wire.batch",
        title="A batch of requests",
        severity=Severity.MEDIUM,
        sends="a list with one request, and an empty list",
        sound="answers: with an error, as MCP has no batches since 2025-06-18, or with what was asked for",
        reference=measured(f"{SILENT}; JSON-RPC 2.0, section 6, has every batch answered"),
        remedy="answer a list with one error -32600 (its id is null)",
        play=plays(
            Sends("a list with one request", b'[{"jsonrpc":"2.0","id":%id%,' + _LIST + b"}]", ANSWERED),
            Sends("an empty list", b"[]", ANSWERED),
        ),
        transports=STDIO,
        seconds=45.0,
    ),
    Case(
        id="wire.invalid-utf8",
        title="Bytes that are no UTF-8",
        severity=Severity.MEDIUM,
        sends="honest requests with a text whose bytes are no UTF-8, in four ways",
        sound="refuses each with an error",
        reference=spec("MCP 2025-11-25, Transports: JSON-RPC messages MUST be UTF-8 encoded; RFC 3629, section 3"),
        remedy="decode input strictly: a replaced byte makes two names one, and an overlong one slips past a filter",
        play=plays(*INVALID_UTF8),
        transports=STDIO,
        seconds=45.0,
    ),
    Case(
        id="wire.no-jsonrpc",
        title="A request that does not say that it is JSON-RPC 2.0",
        severity=Severity.LOW,
        sends='a request without "jsonrpc", and one that says "1.0"',
        sound="answers with an error",
        reference=spec('JSON-RPC 2.0, section 4: jsonrpc MUST be exactly "2.0"; 5.1: -32600 for no valid request'),
        remedy="answer what is no request with -32600",
        play=plays(
            Sends("a request without jsonrpc", b'{"id":%id%,' + _LIST + b"}"),
            Sends("a request of JSON-RPC 1.0", b'{"jsonrpc":"1.0","id":%id%,' + _LIST + b"}"),
        ),
        transports=STDIO,
        seconds=45.0,
    ),
    Case(
        id="wire.no-method",
        title="A request without a method, or whose method is no text",
        severity=Severity.MEDIUM,
        sends="a request without a method, and one whose method is a number",
        sound="answers with an error",
        reference=spec(f"{JSONRPC}: -32600 for what is no valid request"),
        remedy="answer what is no request with -32600",
        play=plays(
            Sends("a request without a method", b'{"jsonrpc":"2.0","id":%id%,' + _PARAMS + b"}"),
            Sends("a request whose method is a number", b'{"jsonrpc":"2.0","id":%id%,"method":1,' + _PARAMS + b"}"),
        ),
        transports=STDIO,
        seconds=45.0,
    ),
    Case(
        id="wire.params-list",
        title="Parameters that are a list or a text",
        severity=Severity.MEDIUM,
        sends="requests whose params are a list, a text and a number",
        sound="answers each with an error",
        reference=spec("MCP 2025-11-25, Base protocol, Requests: params is an object; JSON-RPC 2.0, section 5.1"),
        remedy="answer them with -32600 or -32602",
        play=plays(
            Sends("params that are a list", b'{"jsonrpc":"2.0","id":%id%,"method":"tools/call","params":["name"]}'),
            Sends("params that are a text", b'{"jsonrpc":"2.0","id":%id%,"method":"tools/call","params":"name"}'),
            Sends("params that are a number", b'{"jsonrpc":"2.0","id":%id%,"method":"tools/call","params":7}'),
        ),
        transports=STDIO,
        seconds=45.0,
    ),
    Case(
        id="wire.separators",
        title="Characters that some take for line ends",
        severity=Severity.MEDIUM,
        sends="honest requests with U+2028, U+2029 and U+0085 in a text, as they are",
        sound="answers them: only a line feed ends a message",
        reference=spec(
            "MCP, Transports, stdio: messages are delimited by newlines; RFC 8259, section 7: no escape needed"
        ),
        remedy="split at b'\\n' alone; str.splitlines also splits at these",
        play=plays(*SEPARATORS),
        transports=STDIO,
        seconds=45.0,
    ),
    Case(
        id="wire.duplicate-keys",
        title="Objects with one key twice",
        severity=Severity.LOW,
        sends="a request with two methods, and one that holds an object with the same key twice",
        sound="refuses both with an error",
        reference=spec("RFC 8259, section 4 (unpredictable) and RFC 7493, section 2.3: MUST NOT have duplicate names"),
        remedy="refuse them in the parser: a filter in front that reads the first sees another request than you",
        play=plays(*DUPLICATES),
        transports=STDIO,
        seconds=45.0,
    ),
    Case(
        id="wire.key-case",
        title="Keys in another case",
        severity=Severity.MEDIUM,
        sends="requests whose jsonrpc, id and method are written with capitals",
        sound="does not take them for requests",
        reference=advisory("CVE-2026-27896: keys taken whatever their case slip past what looks for them as written"),
        remedy="compare keys exactly",
        play=plays(*KEY_CASE),
        transports=STDIO,
        seconds=45.0,
        advisories=("CVE-2026-27896",),
    ),
    Case(
        id="wire.crlf",
        title="Lines that end with CR LF",
        severity=Severity.MEDIUM,
        sends="an honest request that ends with a carriage return and a newline",
        sound="answers it like any other",
        reference=spec("RFC 8259, section 2: a carriage return is insignificant whitespace"),
        remedy="hand the line to a JSON parser, which skips it",
        play=plays(lists("an honest request that ends with CR LF", b"1", TAKEN, (b"", b"\r"))),
        transports=STDIO,
        seconds=45.0,
    ),
    Case(
        id="wire.bom",
        title="A byte order mark before a request",
        severity=Severity.LOW,
        sends="an honest request behind a byte order mark",
        sound="answers it: with a result or with an error",
        reference=measured(SILENT + "; RFC 8259, section 8.1, lets a parser ignore the mark or refuse it"),
        remedy="answer it with -32700, or skip the mark",
        play=plays(lists("a byte order mark before a request", b"1", ANSWERED, (b"\xef\xbb\xbf", b""))),
        transports=STDIO,
        seconds=45.0,
    ),
)
