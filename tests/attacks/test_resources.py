"""What a caller can make the server spend: little memory, little time, and never the server itself.

Not reproduced: no public record found for CVE-2026-111768 (unlimited elements within 4 MiB). The test with its name
tries what these words say, which is all that was found of it.
"""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.peers import ENVELOPE, MODERN, HttpPeer, StdioPeer, text_of

from holdfast.core.bases import compiled
from holdfast.core.config import LimitSettings
from holdfast.core.raw import SchemaArguments
from holdfast.core.resource import Resource
from holdfast.errors import ConfigurationError, InvalidArguments, ToolError
from holdfast.safe.decoding import Fetched
from holdfast.safe.json import JsonMalformed, JsonTooLarge, loads
from holdfast.safe.listing import matcher
from holdfast.wire.messages import Malformed, message_bounds, parse

SERVER = Path(__file__).parent / "servers" / "fragile.py"
MIB = 1 << 20
BOUNDS = message_bounds(LimitSettings())


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpPeer]:
    """One server over HTTP that everything is thrown at."""
    with HttpPeer(SERVER, tmp_path_factory.mktemp("web") / "state", HOLDFAST_LIMITS__RATE="100000/second") as peer:
        yield peer


def called(number: int, tool: str, **arguments: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": {"name": tool, "arguments": arguments}}


def sum_of(peer: HttpPeer, a: int, b: int) -> str:
    return text_of(peer.modern("tools/call", {"name": "add", "arguments": {"a": a, "b": b}})["result"])


# -- memory ----------------------------------------------------------------------------------------------------------

UNITS = (
    b"{},",
    b"[],",
    b"[",
    b"{",
    b'{"":',
    b"0,",
    b'"",',
    b'"',
    b"\\",
    b'"\\\\",',
    b"1e9,",
    b"null,",
    b'{"a":[',
    b" ",
    b":",
)
MEASURE = """
import pathlib, sys, tracemalloc
from holdfast.core.config import LimitSettings
from holdfast.errors import HoldfastError
from holdfast.safe.json import loads
from holdfast.wire.messages import message_bounds

bounds = message_bounds(LimitSettings())
for line in open(sys.argv[1], "rb"):
    unit, prefix = map(eval, line.decode().split("|"))
    raw = prefix + unit * ((bounds.bytes - len(prefix)) // len(unit))
    tracemalloc.start()
    try:
        loads(raw, bounds)
        raise AssertionError(unit)
    except HoldfastError:
        pass
    print(tracemalloc.get_traced_memory()[1] // 1024)
    tracemalloc.stop()
status = pathlib.Path("/proc/self/status")  # of this program; what getrusage tells began with its parent
text = status.read_text() if status.exists() else "VmHWM: 0"
print("rss", int(text.partition("VmHWM:")[2].split()[0]) // 1024)
"""


def test_four_mebibytes_of_anything_cost_little_more_than_themselves(tmp_path: Path) -> None:
    """Measured where nothing else runs: what is traced by Python for each, and the whole process at its highest."""
    cases = [(unit, b"[") for unit in UNITS] + [(b'\\"', b'["'), (b"{},", b'["')]
    (tmp_path / "cases").write_text("".join(f"{unit!r}|{prefix!r}\n" for unit, prefix in cases))
    ran = subprocess.run(
        [sys.executable, "-c", MEASURE, str(tmp_path / "cases")],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    *peaks, rss = ran.stdout.split()
    for (unit, prefix), peak in zip(cases, peaks[:-1], strict=True):
        assert int(peak) < 14 * 1024, f"{prefix!r} and {unit!r} took {peak} KiB"
    assert int(rss) < 90, "MiB of the process, of which the interpreter and the library take some 40"


def test_cve_2026_111768_elements_are_counted_before_they_are_made(web: HttpPeer) -> None:
    """A body within the limit of 4 MiB that holds a million elements took a hundred MiB: now it is refused by count."""
    many = b"[" + b"{}," * (MIB + MIB // 4) + b"{}]"
    begun = time.process_time()
    with pytest.raises(JsonTooLarge, match="values"):
        loads(many, BOUNDS)
    assert time.process_time() - begun < 1.0
    body = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add","arguments":{"a":%s}}}' % many
    assert len(body) < 4 * MIB
    before = web_memory(web)
    for _ in range(3):
        status, _, answer = web.post(body, {"mcp-protocol-version": MODERN})
        assert status in (400, 413)
        assert b"{}," not in answer
    assert web_memory(web) - before < 40
    assert sum_of(web, 1, 2) == "3"


def web_memory(web: HttpPeer) -> int:
    """MiB that the server's process has taken at most so far."""
    status = Path(f"/proc/{web.process.pid}/status")
    if not status.exists():  # pragma: no cover - only Linux tells it like this
        return 0
    return int(status.read_text().partition("VmHWM:")[2].split()[0]) // 1024


def test_what_a_tool_fetches_is_counted_as_well() -> None:
    for raw in (b"[" + b"{}," * 600_000 + b"{}]", b"[" * 100_000, b'{"a":1,"a":2}', b"[NaN]", b'"\\ud800"', b"1" * 100):
        with pytest.raises(ToolError) as caught:
            Fetched(200, "http://x/", {"content-type": "application/json"}, raw, False).json()
        assert len(caught.value.message) < 120


# -- names -----------------------------------------------------------------------------------------------------------

ENVELOPE_NAMES = ("Method", "METHOD", "method\\u0000", "metho\\u0064\\u0000", "m\\u0435thod", "method ")
PARAMS = ("Params", "PARAMS", "param\\u017f", "params\\u0000")


@pytest.mark.parametrize("name", ENVELOPE_NAMES)
def test_cve_2026_27896_a_name_in_another_case_is_another_name(name: str) -> None:
    """go-sdk: ``Method`` and ``paramſ`` were taken for ``method`` and ``params``, and the last one won."""
    alone = b'{"jsonrpc":"2.0","id":1,"%s":"tools/call","params":{"name":"add"}}' % name.encode()
    with pytest.raises(Malformed):
        parse(alone, BOUNDS)
    both = b'{"jsonrpc":"2.0","id":1,"method":"ping","%s":"tools/call"}' % name.encode()
    assert parse(both, BOUNDS).body["method"] == "ping"


@pytest.mark.parametrize(
    "raw", [b'{"method":"a","method":"b"}', b'{"method":"a","m\\u0065thod":"b"}', b'{"a":{"x":1,"x":1}}']
)
def test_a_name_that_comes_twice_is_refused_however_it_is_written(raw: bytes) -> None:
    with pytest.raises(JsonMalformed):
        loads(raw, BOUNDS)


@pytest.mark.parametrize("version", ["2025-11-25", MODERN])
def test_cve_2026_27896_a_server_does_not_call_what_only_looks_like_a_call(tmp_path: Path, version: str) -> None:
    """Both ways through a whole server: the fast one and the SDK's, in both eras."""
    with StdioPeer(SERVER, tmp_path / "state") as peer:
        peer.initialize(version)
        looks = [
            ("Method", "params"),
            ("METHOD", "params"),
            ("metho\u0064\u0000", "params"),
            *(("method", p) for p in PARAMS),
        ]
        meta = json.dumps(ENVELOPE)
        for number, (method, params) in enumerate(looks, 100):
            call = f'"{method}":"tools/call","{params}":{{"name":"add","arguments":{{"a":1,"b":2}},"_meta":{meta}}}'
            peer.send_raw(f'{{"jsonrpc":"2.0","id":{number},{call}}}\n'.encode())
            assert "error" in peer.reply(number), call
        assert "unknown" in text_of(peer.call("add", a=1, b=2, B=5))
        assert text_of(peer.call("add", a=1, b=2)) == "3"


# -- time ------------------------------------------------------------------------------------------------------------


def quickly(what: Any, *given: Any, seconds: float = 1.0) -> Any:
    """The result, or the refusal, within the time of this thread's work."""
    begun = time.thread_time()
    try:
        return what(*given)
    except (InvalidArguments, ToolError) as refusal:
        return refusal
    finally:
        assert time.thread_time() - begun < seconds


def test_cve_2026_0621_a_template_is_matched_in_linear_time() -> None:
    """typescript-sdk: ``([^/]+(?:,[^/]+)*)``, made of ``{/id*}``, ran for hours on commas before a slash."""
    template = Resource("users://{id}-{name}-{tags}", lambda id, name, tags: id)
    for uri in (
        "users://" + "user1,user2,user3," * 100 + "userX/",
        "users://" + "-" * 2_000,
        "users://" + "-" * 2_000 + "/",
        "users://" + "a,-" * 600 + "/",
    ):
        quickly(template.match, uri)
    with pytest.raises(ConfigurationError):
        Resource("users://{id*}", lambda id: id)


PATTERNS = [
    "([^/]+(?:,[^/]+)*)/$",
    "(a+)+$",
    "(a|a)*b",
    "(.*)*x",
    "(((a?){10}){10}){9}b",
    "(a?){800}b",
    r"(\w+\s?)*z",
    "(.{0,500}x){1}y",
]
TEXTS = ["a" * 100_000 + "!", "user1,user2," * 8_000 + "X", "a," * 50_000]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_cve_2026_0621_a_callers_pattern_is_run_in_bounded_time(pattern: str) -> None:
    """``(((a?){10}){10}){9}b`` held RE2 itself for 9.6 s over 200 KB, before the work for one search was bounded."""
    regexp = compiled(pattern)
    for text in TEXTS:
        quickly(lambda text=text: regexp.search(text[: regexp.most]), seconds=5)
    quickly(regexp.find, ("a" * 1_000 + "\n") * (regexp.most // 1_001), seconds=5)


@pytest.mark.parametrize("pattern", [pattern for pattern in PATTERNS if "{" not in pattern])
def test_cve_2026_0621_a_schemas_pattern_is_run_in_linear_time(pattern: str) -> None:
    """The same, in a schema of an author's own, for a text as long as arguments may be."""
    schema = SchemaArguments({"type": "object", "properties": {"a": {"type": "string", "pattern": pattern}}})
    for text in TEXTS:
        quickly(schema.check, {"a": text * 9}, None)
    for slow in (f"(?<=a){pattern}", f"(?={pattern})b", r"(a)\1" + pattern):
        with pytest.raises(ConfigurationError):  # what only an engine takes that may take for ever
            SchemaArguments({"type": "object", "properties": {"a": {"type": "string", "pattern": slow}}})


@pytest.mark.parametrize(
    "pattern", ["*a*a*a*a*a*a*a*a*a*a*b", "*" + "a" * 120 + "*b", "*a" * 127, "**/" * 80 + "x", "*?" * 120 + "b"]
)
def test_a_callers_glob_is_matched_in_bounded_time(pattern: str) -> None:
    matches = matcher(pattern)
    for path in ("a" * 4_000, "a/" * 2_000, "/".join(["a" * 200] * 20)):
        quickly(matches, path)


def chained(link: dict[str, Any]) -> dict[str, Any]:
    """Forty definitions, each made of the next; ``N`` and ``M`` stand for its own number and the next one's."""
    text = json.dumps(link)
    return {f"d{n}": json.loads(text.replace("N", str(n)).replace("M", str(n + 1))) for n in range(40)} | {"d40": {}}


BOMBS: dict[str, dict[str, Any]] = {
    "doubling": {"$defs": chained({"anyOf": [{"$ref": "#/$defs/dM"}] * 2})},
    "escaped": {"$defs": chained({"oneOf": [{"$ref": "#/%24defs/dM"}] * 2})},
    "depending": {"$defs": chained({"dependentSchemas": {"x": {"$ref": "#/$defs/dM"}, "y": {"$ref": "#/$defs/dM"}}})},
    "named": {"$defs": chained({"$anchor": "aN", "not": {"allOf": [{"$ref": "#aM"}] * 3}}) | {"d40": {}}},
    "endless": {"$defs": {"d0": {"allOf": [{"$ref": "#/$defs/d0"}]}}},
    "in turns": {"$defs": {"d0": {"if": {"$ref": "#/$defs/d1"}}, "d1": {"then": {"$ref": "#/$defs/d0"}}}},
    "nested id": {"$defs": {"d0": {"$id": "http://x/y", "allOf": [{"$ref": "z"}]}}},
    "by id": {"$defs": {"d0": {"allOf": [{"$ref": "other"}] * 2}}},
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_a_schema_that_multiplies_itself_is_refused_when_it_is_built(name: str) -> None:
    schema = {"type": "object", "properties": {"a": {"$ref": "#/$defs/d0"}}, **BOMBS[name]}
    begun = time.process_time()
    with pytest.raises(ConfigurationError, match="JSON schema"):
        SchemaArguments(schema)
    assert time.process_time() - begun < 1.0


# -- the server itself -----------------------------------------------------------------------------------------------


def test_cve_2025_53365_no_exception_of_one_client_ends_the_server(web: HttpPeer) -> None:
    """python-sdk: an exception after a session was opened left ClosedResourceError uncaught, and the server ended."""
    hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}
    for number in range(4):
        begin = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": hello}
        _, headers, _ = web.post(begin)
        session = {"mcp-session-id": headers["mcp-session-id"], "mcp-protocol-version": "2025-11-25"}
        web.post({"jsonrpc": "2.0", "method": "notifications/initialized"}, session)
        assert b"tool.failed" in web.post(called(1, "burst"), session)[2]
        assert web.post(called(2, "slow"), {**session, "accept": "text/plain"})[0] == 406
        assert web.post(b'{"jsonrpc":"2.0","id":3,"method":"tools/call","params":', session)[0] == 400
        assert web.raw("HEAD", "/mcp", None, session)[0] in (404, 405)
        hang_up(web, called(4, "slow"), session, after=number)
        assert web.raw("DELETE", "/mcp", None, session)[0] == 200
        assert web.post(called(5, "slow"), session)[0] == 404
        hang_up(web, called(6, "slow"), session, after=number)
    assert web.process.poll() is None
    assert sum_of(web, 2, 2) == "4"


def hang_up(web: HttpPeer, message: dict[str, Any], headers: dict[str, str], after: int) -> None:
    """Ask, read that many lines of the answer, and be gone."""
    connection = http.client.HTTPConnection("127.0.0.1", web.port, timeout=10)
    usual = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
    with_token = {**message, "params": {**message["params"], "_meta": {"progressToken": "p"}}}
    connection.request("POST", "/mcp", json.dumps(with_token).encode(), {**usual, **headers})
    if after:
        response = connection.getresponse()
        for _ in range(after):
            response.readline()
    if connection.sock is not None:
        connection.sock.close()
    connection.close()
