"""Run every real client, over each transport and in each era, against examples/everything.py: all 26 must work."""

from __future__ import annotations

import argparse
import re
import shlex
import subprocess
import sys
from pathlib import Path

import prepare

COMBINATIONS = 26
LIMIT = 900  # seconds in all; each combination has a minute of its own, a healthy run takes about one for all


def main() -> int:
    """Print one row a combination and the verdict; the status is 0 only when all of them ran and work."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--judges", required=True, help="folder of the judges, relative to the checkout")
    parser.add_argument("--fastmcp", required=True, help="a Python with FastMCP")
    parser.add_argument("--server", default=None, help="another server to judge (default: examples/everything.py)")
    options = parser.parse_args()

    server = Path(options.server).resolve() if options.server else prepare.server()
    argv = [sys.executable, "-u", str(prepare.script(options.judges, "clients/run_clients.py"))]
    argv += ["--node", prepare.node(), "--npm-dir", str(prepare.packages("clients"))]
    argv += ["--py-sdk", sys.executable, "--py-fastmcp", str((prepare.ROOT / options.fastmcp).absolute())]
    argv += ["--server", shlex.join([sys.executable, str(server)])]

    process = subprocess.Popen(
        argv, env=prepare.environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, bufsize=1
    )
    assert process.stdout is not None  # noqa: S101 - asked for one line above
    last = ""
    try:
        for row in process.stdout:
            print("  " + row.rstrip(), flush=True)
            last = row.strip() or last
        code = process.wait(LIMIT)
    finally:
        process.kill()
    worked = re.fullmatch(r"(\d+)/(\d+) combinations work", last)
    if code == 0 and worked and worked.groups() == (str(COMBINATIONS), str(COMBINATIONS)):
        print(f"clients passed: {COMBINATIONS}/{COMBINATIONS}")
        return 0
    print(f"clients FAILED: {last or 'no verdict'}; the bar is {COMBINATIONS}/{COMBINATIONS}")
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
