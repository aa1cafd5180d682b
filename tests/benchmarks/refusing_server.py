"""A server that responds to its first request, and refuses all others: ``refusing_server.py PORT``."""

from __future__ import annotations

import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Refusing(BaseHTTPRequestHandler):
    """Responds once."""

    protocol_version = "HTTP/1.1"
    served = 0

    def do_POST(self) -> None:
        """Respond with 200 the first time, then with 503."""
        self.rfile.read(int(self.headers["Content-Length"]))
        type(self).served += 1
        self.send_response(200 if self.served == 1 else 503)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Refusing).serve_forever()
