"""A real endpoint of an operator's, to which alerts are posted."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Operator:
    """``got`` are path and body of each post; it waits while ``hold`` is cleared, and answers ``status``."""

    def __init__(self) -> None:
        self.got: list[tuple[str, dict[str, Any]]] = []
        self.status = 204
        self.hold = threading.Event()
        self.hold.set()
        operator = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                operator.hold.wait(10)
                operator.got.append((self.path, body))
                self.send_response(operator.status)
                if operator.status == 302:
                    self.send_header("location", "http://127.0.0.1:1/elsewhere")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook?key=s3cr3t"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
