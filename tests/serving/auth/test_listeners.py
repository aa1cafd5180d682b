"""All that listens has the one guard."""

from __future__ import annotations

import ast
from pathlib import Path

import tiltyard

SOURCE = Path(tiltyard.__file__).parent
SERVERS = {
    "serving/process/http_server.py": "the server; its guard is passed in",
    "serving/predict/http_protocol.py": "the probe of the fast path, which has no socket",
    "console/run.py": "the console; its guard is passed in",
    "serving/process/status_server.py": "health and metrics of a stream and of the loop; their guard is passed in",
}
"""Every module that makes an HTTP server, and who guards it."""
OTHER_WAYS = ("http.server", "socketserver", "wsgiref", "werkzeug", "hypercorn", "gunicorn", "aiohttp.web")


def test_nothing_listens_without_the_guard() -> None:
    """Only the server and the console make HTTP servers, and both name the guard that they are given."""
    found: set[str] = set()
    for file in SOURCE.rglob("*.py"):
        name = file.relative_to(SOURCE).as_posix()
        text = file.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Import):
                assert not {alias.name for alias in node.names} & set(OTHER_WAYS), name
            if isinstance(node, ast.ImportFrom):
                assert node.module not in OTHER_WAYS, name
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("uvicorn.Config", "uvicorn.run")):
                found.add(name)
                assert "guard" in text or "probe" in SERVERS.get(name, ""), name
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith((".run_server", ".start_http_server")):
                raise AssertionError(name)
    assert found == set(SERVERS)
