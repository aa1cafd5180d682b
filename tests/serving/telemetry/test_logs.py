from __future__ import annotations

import json
import logging
import sys
from pathlib import Path

import pytest

from tests.serving.interfaces import run_server
from tiltyard.serving.telemetry.logs import JsonFormatter, access_log


def test_a_record_is_one_line_of_json() -> None:
    """Whatever is logged is one JSON object on one line, with what was raised."""
    try:
        raise ValueError("a\nb")
    except ValueError:
        record = logging.LogRecord("tiltyard.x", logging.ERROR, "f", 1, "no %s\n", ("way",), sys.exc_info())
    line = JsonFormatter().format(record)
    assert "\n" not in line
    content = json.loads(line)
    assert (content["level"], content["message"], content["logger"]) == ("error", "no way\n", "tiltyard.x")
    assert "ValueError: a\nb" in content["exception"]
    assert content["time"].endswith("+00:00")


def test_requests_are_logged_with_their_predictions(
    tmp_path: Path, text_package: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """An access line names route, status, duration, caller, and the ids of its predictions."""
    with caplog.at_level(logging.INFO, access_log.name), run_server(tmp_path, text_package) as films:
        one = films.client.post("/predict", json={"text": "a warm film"}).json()["prediction_id"]
        many = films.client.post("/invocations", json={"inputs": ["a", "b"]}).json()["prediction_ids"]
    lines = [json.loads(JsonFormatter().format(record)) for record in caplog.records if record.name == access_log.name]
    assert [line["route"] for line in lines] == ["/predict", "/invocations"]
    assert (lines[0]["prediction_id"], lines[0]["status"], lines[0]["method"]) == (one, 200, "POST")
    assert lines[1]["prediction_ids"] == many
    assert lines[0]["caller"] == "anonymous at 127.0.0.1"
    assert lines[0]["duration_ms"] > 0
