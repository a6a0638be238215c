"""The other shape of a supervisor, as a yardstick: a parent that passes every line on, and could send it again.

``python benchmarks/relay.py COMMAND ...`` starts the command and stands between it and its client.
It does no more than a relay has to: large reads, one write for all that was read, and a note of each request until its
answer has come, as that is what it would send to another worker. Ids are found without parsing wherever they stand
first. What it leaves out makes it cheaper than a real one: it starts no second worker, notices no hang, drops no torn
line, and keeps no handshake.
"""

from __future__ import annotations

import json
import os
import re
import select
import subprocess
import sys

CHUNK = 65_536
"""Bytes read at once; a pipe holds as many (pipe(7))."""
_REQUEST = re.compile(rb'\{"jsonrpc":"2\.0","id":([0-9]+|"[^"\\]*"),"method"')
_ANSWER = re.compile(rb'\{"jsonrpc":"2\.0","id":([0-9]+|"[^"\\]*"),"(?:result|error)"')


class Table:
    """The requests that were passed on and not answered yet, by the bytes of their ids."""

    def __init__(self) -> None:
        self.waiting: dict[bytes, bytes] = {}  # bounded by what the server takes under way
        self._asked = self._told = b""

    def asked(self, data: bytes) -> None:
        """Note each request in what the client has sent."""
        *lines, self._asked = (self._asked + data).split(b"\n")
        for line in lines:
            if (name := _id(line, _REQUEST, "method")) is not None:
                self.waiting[name] = line

    def told(self, data: bytes) -> None:
        """Forget each request that is answered in what the server has sent."""
        *lines, self._told = (self._told + data).split(b"\n")
        for line in lines:
            if (name := _id(line, _ANSWER, None)) is not None:
                self.waiting.pop(name, None)


def _id(line: bytes, usual: re.Pattern[bytes], wanted: str | None) -> bytes | None:
    if (found := usual.match(line)) is not None:
        return found[1]
    try:
        body = json.loads(line)
    except ValueError:
        return None
    if not isinstance(body, dict) or "id" not in body or (("method" in body) is not (wanted is not None)):
        return None
    return json.dumps(body["id"]).encode()


def write(sink: int, data: bytes) -> None:
    """All of it."""
    while data:
        data = data[os.write(sink, data) :]


def relay(source: int, sink: int, to: int, back: int) -> Table:
    """Pass on until the server has closed its end; returns what was not answered by then."""
    table = Table()
    poll = select.epoll()
    for end in (source, back):
        poll.register(end, select.EPOLLIN)
    while True:
        for ready, _ in poll.poll():
            data = os.read(ready, CHUNK)
            if ready == source:
                if data:
                    table.asked(data)
                    write(to, data)
                else:
                    poll.unregister(source)
                    os.close(to)
            elif data:
                table.told(data)
                write(sink, data)
            else:
                return table


def main(argv: list[str]) -> int:
    """Relay for a command; its exit status."""
    theirs, to = os.pipe()
    back, ours = os.pipe()
    worker = subprocess.Popen(argv, stdin=theirs, stdout=ours)
    os.close(theirs)
    os.close(ours)
    relay(0, 1, to, back)
    return worker.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
