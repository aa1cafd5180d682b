"""The main job on included data: train, promote, serve, predict (``make demo``).

DEMO_EXIT=1 stops after the predictions; otherwise the server runs until Ctrl-C.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from urllib.request import Request, urlopen

PROJECT = Path(__file__).parent / "sentiment" / "tiltyard.toml"
TILTYARD = [sys.executable, "-m", "tiltyard"]
REVIEWS = (
    "I laughed, I cried, and I would watch it again tomorrow. Wonderful.",
    "Two hours of my life gone. Dull, predictable and badly acted.",
)
NOT_PROMOTED = 3


def main() -> int:
    """Run the demo; the exit code is 0 when a served champion made two predictions."""
    trained = subprocess.run([*TILTYARD, "train", "--champion", "--project", str(PROJECT)], check=False)
    if trained.returncode not in (0, NOT_PROMOTED):
        return trained.returncode
    server = subprocess.Popen(
        [*TILTYARD, "serve", "--json", "--project", str(PROJECT), "--port", str(_free_port())],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        return _send_requests(server)
    except KeyboardInterrupt:
        return 0
    finally:
        server.terminate()
        server.wait(timeout=30)


def _send_requests(server: subprocess.Popen[str]) -> int:
    assert server.stdout is not None
    line = server.stdout.readline()
    if not line:
        return server.wait() or 1
    address = json.loads(line)["url"]
    print("\nThe champion is served. Two requests and their responses:\n")
    for review in REVIEWS:
        request = Request(
            f"{address}/predict", json.dumps({"text": review}).encode(), {"Content-Type": "application/json"}
        )
        with urlopen(request, timeout=30) as response:
            print(f"  POST /predict  {json.dumps({'text': review})}\n  {response.read().decode()}\n")
    print(f"Console:   {address}/\nAPI docs:  {address}/docs\nHealth:    {address}/health\n")
    if os.environ.get("DEMO_EXIT"):
        return 0
    print("Press Ctrl-C to stop.")
    return server.wait()


def _free_port() -> int:
    """The usual port if it is free, otherwise 0, which chooses a free one."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", 8000))
        except OSError:
            return 0
    return 8000


if __name__ == "__main__":
    sys.exit(main())
