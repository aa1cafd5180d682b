"""Real metrics of several servers behind one address."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler
from itertools import count

from tiltyard.serving.telemetry import Metrics, MultiprocessMetrics


class Balancer(BaseHTTPRequestHandler):
    """One address of several servers: each connection reaches the next one."""

    servers: tuple[Metrics, ...] = ()
    turns = count()

    def do_GET(self) -> None:
        allowed = self.headers.get("Authorization") == "Bearer good"
        self.send_response(200 if allowed else 401)
        self.end_headers()
        if allowed and self.servers:
            metrics = self.servers[next(self.turns) % len(self.servers)]
            self.wfile.write(MultiprocessMetrics(metrics.registry).exposition()[0])

    def log_message(self, *arguments: object) -> None:
        pass
