"""Leaks: a tool says a secret in every way it has, and nothing that leaves the server holds it in any form.

Reproduced: "a token in a log" and its kin (results, errors, progress, prints, resources, prompts, metrics, audit).
AIKIDO-2026-10318 (credentials forwarded to another origin) is with the URLs.
"""

from __future__ import annotations

import json
from pathlib import Path

from support.peers import StdioPeer

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
