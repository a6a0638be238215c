"""Leaks: a tool says a secret in every way it has, and nothing that leaves the server holds it in any form.

Reproduced: "a token in a log" and its kin (results, errors, progress, prints, resources, prompts, metrics, audit).
AIKIDO-2026-10318 (credentials forwarded to another origin) is with the URLs.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.issuing import ISSUER, RESOURCE, claims, signed, usual_keys
from support.knocking import tell
from support.peers import HttpPeer, StdioPeer

from holdfast.access.apikeys import new_key
from holdfast.safe.encodings import caseless, forms

TOKEN = "Zx9-canary+Q7/of-the=server-41"
ARGUMENT = "Hh3-argument-of-a-caller-8812"
LEARNED = "Ww5-learned-by-the-call-3307"
SERVER = '''
import asyncio, base64, json, logging, sys, warnings
from holdfast import Context, SecretValue, Server, ToolError

server = Server("leaky")
TOKEN = "Zx9-canary+Q7/of-the=server-41"
WAYS = {
    "plain": TOKEN, "reversed": TOKEN[::-1], "hex": TOKEN.encode().hex(),
    "base64": base64.b64encode(b"user:" + TOKEN.encode()).decode(),
    "escapes": "".join(f"\\\\u{ord(c):04x}" for c in TOKEN), "split": "\\u200b".join(TOKEN),
    "colour": TOKEN[:9] + "\\x1b[31m" + TOKEN[9:],
}

@server.tool
async def returned(way: str) -> dict[str, object]:
    """Return it."""
    return {"a": [WAYS[way], {WAYS[way]: 1}], "pieces": [TOKEN[:10], TOKEN[10:]]}

@server.tool
async def refused(way: str) -> str:
    """Fail with words."""
    raise ToolError(f"bad {WAYS[way]}")

@server.tool
async def raised(way: str) -> str:
    """Fail by mistake."""
    raise ValueError(f"bad {WAYS[way]}", {"password": "hunter2x"})

@server.tool
async def told(way: str, ctx: Context) -> str:
    """Say it on the way."""
    await ctx.report_progress(1, 2, f"at {WAYS[way]}")
    await ctx.notify_log("error", {"x": WAYS[way], WAYS[way]: "y"})
    ctx.log.error("event " + WAYS[way], field=WAYS[way], password="hunter2x", nested={"token": "q7Rt2mXw9Zk4"})
    logging.getLogger("lib." + WAYS[way]).error("said %s", WAYS[way], exc_info=RuntimeError(WAYS[way]))
    warnings.warn(WAYS[way])
    return "done"

@server.tool
def printed(way: str) -> str:
    """Print it."""
    print("here", WAYS[way], "it is", flush=True)
    print(WAYS[way][:11], end="", flush=True)
    print(WAYS[way][11:], file=sys.stdout)
    print(WAYS[way], file=sys.stderr)
    return "done"

@server.tool
async def taken(secret: SecretValue) -> str:
    """Repeat what came."""
    return f"{secret.reveal()} {secret} {base64.b64encode(secret.reveal().encode()).decode()}"

@server.tool
async def learned(ctx: Context) -> str:
    """Learn one and repeat it."""
    value = ctx.secret("Ww5-learned-by-the-call-3307")
    ctx.log.warning(value)
    raise ToolError(value)

@server.resource("leak://{way}")
async def leak(way: str) -> str:
    """A resource."""
    return WAYS[way]

@server.prompt
async def ask(way: str) -> str:
    """A prompt."""
    return WAYS[way]

server.run()
'''
WAYS = ("plain", "reversed", "hex", "base64", "escapes", "split", "colour")


def everything_of(secret: str) -> list[str]:
    """The secret in each of its forms, and a piece of it that is long enough to matter."""
    return [*forms(secret), *caseless(secret), secret[2:14], secret[::-1][2:14]]


def hits(text: str, secret: str) -> list[str]:
    lowered = text.lower()
    return [form for form in everything_of(secret) if form.lower() in lowered]


def leave(tmp_path: Path) -> tuple[str, str]:
    """Say it in every way; what came over the protocol, and what is in files and on standard error."""
    script, state = tmp_path / "leaky.py", tmp_path / "state"
    script.write_text(SERVER, encoding="utf-8")
    state.mkdir()
    with StdioPeer(script, state, HOLDFAST_AUTH__TOKENS=json.dumps({"name": TOKEN})) as peer:
        peer.initialize()
        peer.ask("logging/setLevel", {"level": "debug"})
        said = [
            peer.ask("tools/call", {"name": tool, "arguments": {"way": way}, "_meta": {"progressToken": tool + way}})
            for tool in ("returned", "refused", "raised", "told", "printed")
            for way in WAYS
        ]
        said += [peer.call("taken", secret=ARGUMENT), peer.call("learned")]
        said += [peer.ask("resources/read", {"uri": f"leak://{way}"}) for way in WAYS]
        said += [peer.ask("prompts/get", {"name": "ask", "arguments": {"way": way}}) for way in WAYS]
        said += [peer.ask("tools/call", {"name": TOKEN, "arguments": {TOKEN: TOKEN}})]
        peer.end_input()
        assert peer.wait() == 0
    protocol = json.dumps([said, peer.notes, [line.decode() for line in peer.garbage]], ensure_ascii=False)
    files = [path.read_text("utf-8", "replace") for path in state.rglob("*") if path.is_file()]
    return protocol, "\n".join([*files, peer.stderr()])


def test_a_token_in_a_log_an_answer_an_error_a_print_or_the_audit_trail_leaves_nowhere(tmp_path: Path) -> None:
    """The record: servers that wrote the tokens they were given to logs and answers."""
    protocol, rest = leave(tmp_path)
    for secret in (TOKEN, ARGUMENT, LEARNED):
        assert hits(protocol, secret) == []
        assert hits(rest, secret) == []
    for text in (protocol, rest):
        assert "[redacted:auth.tokens]" in text
        assert "hunter2x" not in text
        assert "q7Rt2mXw9Zk4" not in text
    assert "[redacted:argument]" in protocol
    assert "[redacted:secret]" in protocol
    assert "here [redacted:auth.tokens] it is" in rest


DOOR = '''
import asyncio, json, logging, os, sys, threading, traceback
from pathlib import Path
from typing import Annotated
from pydantic import BaseModel, Field
from holdfast import Context, Server, ToolError

def keys():
    """What the process knows: its files, and what it was sent."""
    return json.loads(Path(os.environ["DOOR_KEYS"]).read_text())

KEY = keys()[0]
server = Server("door", instructions=f"use {KEY}", title=f"door {KEY}")

class Form(BaseModel):
    v: str = Field(KEY, description=KEY)

@server.tool(read_only=True)
async def whoami(ctx: Context) -> str:
    """Say who calls."""
    return ctx.principal.name

@server.tool(description=f"with {KEY}")
async def returned(hint: Annotated[str, Field(description=KEY)] = KEY) -> dict[str, object]:
    found = keys()
    return {"keys": found, **{key: key for key in found}, "pieces": [found[0][:9], found[0][9:]],
            "text": json.dumps({"pieces": [found[0][:9], found[0][9:]]})}

@server.tool
async def noted(ctx: Context) -> str:
    """Fail with causes and notes."""
    found = keys()
    try:
        raise KeyError(*found)
    except KeyError as cause:
        error = ValueError("plain")
        error.add_note(" ".join(found))
        raise ExceptionGroup("several " + found[0], [error, ToolError(found[-1])]) from cause

@server.tool
async def located(ctx: Context) -> str:
    """Log tracebacks with what stands in their frames."""
    found = keys()
    try:
        raise RuntimeError("here")
    except RuntimeError as error:
        shown = traceback.TracebackException.from_exception(error, capture_locals=True)
        ctx.log.exception("located", locals=locals(), shown="".join(shown.format()), te=shown)
        logging.getLogger("x").exception("second %r", locals(), stack_info=True, extra={"key": found})
        print("".join(shown.format()), file=sys.stderr)
        shown.print()
        sys.excepthook(type(error), error, error.__traceback__)
        sys.unraisablehook(type("U", (), dict(exc_type=RuntimeError, exc_value=RuntimeError(found[0]),
                                              exc_traceback=None, err_msg=found[0], object=found[0])))
    await ctx.report_progress(1, 2, found[0])
    await ctx.notify_log("error", found, logger=found[0])
    asyncio.get_running_loop().call_exception_handler({"message": found[0], "exception": RuntimeError(*found)})
    thread = threading.Thread(target=lambda: 1 / 0 if not found[0] else int(found[0]), name=found[0])
    thread.start()
    thread.join()
    return "done"

@server.resource(f"door://{KEY}", description=KEY)
async def named() -> str:
    return KEY

@server.tool
async def asks(ctx: Context) -> str:
    """Ask for a key."""
    return str(await ctx.elicit(f"is it {KEY}?", Form))

server.main()
'''
PLAIN, LATER = "Kk7-plain-key-of-a-file-4410", "Jj2-plain-key-of-later-9921"
WATCHER = "Mm4-monitoring-token-7751"


@contextmanager
def door(tmp_path: Path, *known: str) -> Iterator[tuple[HttpPeer, Path, Path]]:
    """A server over HTTP whose tools say all they know; its file of tokens, and its folder."""
    script, state, tokens, keys = (tmp_path / name for name in ("door.py", "state", "tokens.json", "keys.json"))
    script.write_text(DOOR, encoding="utf-8")
    state.mkdir()
    tokens.write_text(json.dumps({"ada": PLAIN}))
    keys.write_text(json.dumps(known))
    settings = {
        "DOOR_KEYS": str(keys),
        "HOLDFAST_AUTH__TOKENS_FILE": str(tokens),
        "HOLDFAST_HEALTH__TOKEN": WATCHER,
        "HOLDFAST_AUTH__FAILURES": "10000",
        "HOLDFAST_AUTH__ISSUER": ISSUER,
        "HOLDFAST_AUTH__RESOURCE": RESOURCE,
        "HOLDFAST_AUTH__JWKS": usual_keys(),
    }
    with HttpPeer(script, state, **settings) as peer:
        yield peer, tokens, keys


def said_by(peer: HttpPeer, token: str) -> list[object]:
    """Everything that a caller and an operator can get."""
    bearer = {"authorization": f"Bearer {token}"}
    said: list[object] = [peer.modern(f"{what}/list", headers=bearer) for what in ("tools", "resources")]
    said += [peer.modern("server/discover", headers=bearer)]
    for tool in ("returned", "noted", "located", "asks", token[:60]):
        message = {"name": tool, "arguments": {"hint": token} if tool == "returned" else {}}
        said.append(peer.modern("tools/call", {**message, "_meta": {"progressToken": tool}}, bearer))
    said.append(peer.post(b'{"jsonrpc":"2.0","id":7,"method":"%b"}' % token.encode(), bearer))
    watching = {"authorization": f"Bearer {WATCHER}"}
    said += [peer.get(f"/{page}?key={token}", **watching) for page in ("health", "metrics", "livez", "nothing")]
    return [item if isinstance(item, dict) else repr(item) for item in said]


def test_keys_of_a_file_and_tokens_that_were_presented_leave_nowhere_over_http(tmp_path: Path) -> None:
    """Not in answers, lists, questions, /health, /metrics, logs with the frames' locals, standard error or audit."""
    own, foreign = new_key().key, signed(claims(exp=time.time() + 300, iat=time.time()))
    presented = "Nn8-nobodys-token-5530-abcdef"
    with door(tmp_path, PLAIN, own, foreign, WATCHER, LATER) as (peer, tokens, _):
        said = said_by(peer, PLAIN) + said_by(peer, foreign)
        assert peer.get("/health", authorization=f"Bearer {presented}")[0] == 401
        assert tell(peer, presented)[0] == 401
        tokens.write_text(json.dumps({"ada": LATER}))
        deadline = time.monotonic() + 10
        while tell(peer, LATER)[0] != 200:
            assert time.monotonic() < deadline
        late = said_by(peer, LATER)
        peer.close()
        rest = peer.stderr()
    rest += "\n".join(p.read_text("utf-8", "replace") for p in (tmp_path / "state").rglob("*") if p.is_file())
    protocol, later = json.dumps(said), json.dumps(late)
    for secret in (PLAIN, own, foreign, WATCHER):
        assert hits(protocol, secret) == []
    for secret in (LATER, own, foreign, WATCHER):
        assert hits(later, secret) == []
    for secret in (PLAIN, own, foreign, WATCHER, presented):
        assert hits(rest.replace(LATER, ""), secret) == []
    assert "[redacted:auth.tokens_file]" in protocol
    assert "[redacted:auth.tokens_file]" in later
    assert "[redacted:auth.tokens_file]" in rest
    assert "[redacted:holdfast-key]" in rest
    assert "holdfast_calls" in protocol, "the pages of the operator were read"
