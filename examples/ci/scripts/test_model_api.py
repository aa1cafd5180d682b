"""Serve the staged version on a free port, and check health, model and a prediction of each kind."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from typing import Any

from run_tiltyard import read_version

INPUT = {
    "Time_spent_Alone": 9,
    "Stage_fear": "Yes",
    "Social_event_attendance": 1,
    "Going_outside": 1,
    "Drained_after_socializing": "Yes",
    "Friends_circle_size": 2,
    "Post_frequency": 1,
}


def send(url: str, body: object = None) -> Any:
    """The JSON of a response; an error status raises."""
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data), timeout=30) as response:
        return json.load(response)


def check(url: str, version: str) -> None:
    """Hold the responses of a server against what was deployed."""
    health, model = send(f"{url}/health"), send(f"{url}/model-info")
    assert health["model_loaded"], health
    assert model["version"] == version, model
    one = send(f"{url}/predict", {"features": INPUT})
    many = send(f"{url}/predict/batch", {"instances": [INPUT, INPUT]})
    assert one["model_version"] == version, one
    assert len(many["predictions"]) == 2, many
    print(f"Version {version} predicts {one['prediction']} ({one['confidence']:.2f}).")


def main() -> None:
    """Start the server of the stage, check it, end it."""
    name, version = read_version()
    serve = [sys.executable, "-m", "tiltyard.serving", "--model-name", name, "--model-stage", "Staging", "--port", "0"]
    with subprocess.Popen(serve, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            line = next((line for line in server.stdout if "http://" in line), "")
            assert line, "The server did not start."
            check("http://" + line.split("http://")[1].split()[0].rstrip("/"), version)
        finally:
            server.terminate()


if __name__ == "__main__":
    main()
