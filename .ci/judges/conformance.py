"""Run the official conformance suite against examples/everything.py, open and with authentication."""

from __future__ import annotations

import argparse
import http.client
import json
import secrets
import shlex
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import prepare

# Scenarios that must pass in suite 0.2.0-alpha.12: scored, and not scored (late additions). The ten tasks scenarios
# stand apart: tasks are an extension that neither the SDK nor holdfast offers.
BAR = {"requirements 2025-11-25": (30, 3), "requirements 2026-07-28": (37, 3)}
LIMIT = 600  # seconds for one run of both specifications; a healthy run takes well under a minute


def command(*words: str) -> str:
    """One shell-quoted line for run_suite, which fills ``{port}`` in (and leaves ``{port}`` of ``{{port}}``)."""
    return shlex.join(words)


def judge(name: str, line: str, tools: dict[str, str], env: dict[str, str]) -> list[str]:
    """Run the suite once against the server started by ``line``; return what is wrong, nothing when the bar is met."""
    out = prepare.CACHE / "out" / name
    verdict = out.with_suffix(".json")
    shutil.rmtree(out, ignore_errors=True)  # run_suite reads every result beneath it, an earlier run's too
    verdict.unlink(missing_ok=True)
    out.mkdir(parents=True)
    runs = [word for run in BAR for word in ("--run", run)]
    argv = [sys.executable, tools["run_suite"], "--suite-dir", tools["suite"], "--node", tools["node"]]
    argv += ["--out", str(out), "--cmd", line, *runs, "--require-success", "--quiet"]
    try:
        code = subprocess.run(argv, env=env, timeout=LIMIT, stdin=subprocess.DEVNULL, check=False).returncode
    except subprocess.TimeoutExpired:
        return [f"{name}: no verdict within {LIMIT} s"]
    if not verdict.is_file():
        return [f"{name}: status {code} and no verdict; see .cache/judges/out/{name}.server.log"]
    legs: dict[str, Any] = json.loads(verdict.read_text())
    wrong = [f"{name}: {problem}" for run, bar in BAR.items() for problem in shortfall(run, bar, legs.get(run))]
    if code and not wrong:
        wrong.append(f"{name}: run_suite ended with status {code}")
    return wrong


def shortfall(run: str, bar: tuple[int, int], leg: dict[str, Any] | None) -> list[str]:
    """Where ``leg`` misses ``bar``. A scenario passes with at least one success and neither failure nor warning."""
    if leg is None:
        return [f"{run} was not run"]
    wrong = []
    judged = {name: row for name, row in leg["rows"].items() if row["scored"] or not name.startswith("tasks-")}
    for scored, least in ((True, bar[0]), (False, bar[1])):
        rows = {name: row for name, row in judged.items() if row["scored"] is scored}
        passed = [name for name, row in rows.items() if row["success"] and not row["failure"] and not row["warning"]]
        if len(passed) != least or len(rows) != least:
            kind = "scored" if scored else "unscored"
            wrong.append(f"{run}: {len(passed)} of {len(rows)} {kind} scenarios passed, the bar is {least}/{least}")
        for name in rows.keys() - set(passed):
            wrong.append(f"{run}: {name}: {'; '.join(rows[name]['bad']) or 'nothing was checked'}")
    return wrong


def free_port() -> int:
    """A port of the loopback that is free now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def status_without_token(server: Path, env: dict[str, str]) -> int | None:
    """Start ``server --auth`` and post to it without a token: its status, or None when it never listened."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, str(server), "http", str(port), "--auth"],
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(300):  # 30 s
            try:
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
                connection.request("POST", "/mcp", body="{}", headers={"Content-Type": "application/json"})
                return connection.getresponse().status
            except ConnectionRefusedError:
                if process.poll() is not None:
                    return None
                time.sleep(0.1)
        return None
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()


def main() -> int:
    """Judge the example twice and print the verdict; the status is 0 only when every bar is met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--judges", required=True, help="folder of the judges, relative to the checkout")
    parser.add_argument("--server", default=None, help="another server to judge (default: examples/everything.py)")
    options = parser.parse_args()

    proxy = str(prepare.script(options.judges, "conformance/auth_inject_proxy.py"))
    server = Path(options.server).resolve() if options.server else prepare.server()
    tools = {"run_suite": str(prepare.script(options.judges, "conformance/run_suite.py"))}
    tools |= {"suite": str(prepare.packages("suite")), "node": prepare.node()}
    python, token = sys.executable, secrets.token_urlsafe(32)

    print("without authentication", flush=True)
    wrong = judge("open", command(python, str(server), "http", "{port}"), tools, prepare.environment())

    print("with authentication", flush=True)
    env = prepare.environment(HOLDFAST_AUTH__TOKENS=token)
    # Without this, a server that ignores --auth would pass the second run too.
    if (status := status_without_token(server, env)) != 401:
        wrong.append(f"auth: a request without a token got {status or 'no answer'}, not 401")
    wrapped = command(python, proxy, "--listen", "{port}", "--token", token, "--")
    wrong += judge("auth", f"{wrapped} {command(python, str(server), 'http', '{{port}}', '--auth')}", tools, env)

    for problem in wrong:
        print(f"  {problem}")
    bars = ", ".join(f"{scored}/{scored} + {rest}/{rest} at {run.split()[1]}" for run, (scored, rest) in BAR.items())
    if wrong:
        print(f"conformance FAILED: {len(wrong)} shortfalls, listed above; every check is beneath .cache/judges/out")
        return 1
    print(f"conformance passed: {bars}; open and with authentication")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
