from __future__ import annotations

import threading
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.serving.fake_registry import MODEL
from tests.serving.interfaces import run_server
from tiltyard.serving.telemetry.cpu_profiler import STYLE_DIGEST, sample_threads


def wait_here(gate: threading.Event) -> None:
    gate.wait()


def test_every_sample_finds_a_waiting_thread() -> None:
    """Every sample finds each other thread by its name, with its stack; all formats hold the same counts."""
    gate = threading.Event()
    thread = threading.Thread(target=wait_here, args=(gate,), name="waits <here>")
    thread.start()
    try:
        found = sample_threads(0.1, 0.01)
    finally:
        gate.set()
        thread.join()
    mine = {stack: count for stack, count in found.stacks.items() if stack[0] == "waits <here>"}
    assert sum(mine.values()) == found.samples
    assert all(any(frame.startswith("wait_here (") for frame in stack) for stack in mine)
    lines = found.format_collapsed().splitlines()
    assert sum(int(line.rpartition(" ")[2]) for line in lines) == sum(found.stacks.values())
    content = found.speedscope("x")
    [profile] = [each for each in content["profiles"] if each["name"] == "waits <here>"]
    assert sum(profile["weights"]) == profile["endValue"] == found.samples
    assert all(place < len(content["shared"]["frames"]) for stack in profile["samples"] for place in stack)
    page = found.page("<script>")
    HTMLParser().feed(page)
    assert "<script>" not in page
    assert "waits &lt;here&gt;" in page


@pytest.mark.requirement("R-MON-25")
def test_a_running_server_is_profiled(tmp_path: Path, text_package: Path) -> None:
    """An admin gets the profile of the running server in each format, and the action is an event."""
    with run_server(tmp_path, text_package) as films:
        for form, media in (("html", "text/html"), ("collapsed", "text/plain"), ("speedscope", "application/json")):
            response = films.client.post("/admin/profile", params={"seconds": 0.05, "format": form})
            assert response.status_code == 200
            assert response.headers["content-type"].startswith(media)
        page = films.client.post("/admin/profile", params={"seconds": 0.01})
        assert f"style-src '{STYLE_DIGEST}'" in page.headers["content-security-policy"]
        assert response.json()["name"] == MODEL
        for wrong in ({"seconds": 0}, {"seconds": 61}, {"format": "pdf"}, {"interval_ms": 0}):
            assert films.client.post("/admin/profile", params=wrong).status_code == 422
        assert len(list(films.ledger.events(kind="profiled"))) == 4
