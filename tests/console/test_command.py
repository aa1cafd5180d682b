"""``tiltyard console`` as a user runs it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from tests import fork_server
from tests.films import environment, make_films
from tiltyard.serving.process.sockets import bind


@pytest.mark.requirement("R-DASH-08", "R-DASH-09")
@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_the_address_is_printed_once_it_serves(tmp_path: Path, ending: signal.Signals) -> None:
    """The command prints its address as JSON, serves there, and ends silently with 0 on SIGTERM."""
    pytest.importorskip("dash")
    films = make_films(tmp_path / "films", rows=10)
    process = fork_server.popen(
        [sys.executable, "-m", "tiltyard", "console", "--port", "0", "--json"],
        cwd=films.root,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    url = json.loads(process.stdout.readline())["url"]
    try:
        assert httpx.get(url).raise_for_status().text.startswith("<!doctype html>")
        assert httpx.get(f"{url}/_dash-layout").json()["type"] == "Div"
    finally:
        process.send_signal(ending)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (0, "", "")


def test_a_port_in_use_is_reported(tmp_path: Path) -> None:
    """A port in use is one clear message and exit code 1, before anything is opened."""
    films = make_films(tmp_path / "films", rows=10)
    with closing(bind("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = films.call("console", "--port", port, check=False)
    assert done.returncode == 1
    assert f"Port {port} on 127.0.0.1 is in use." in done.stderr
    assert "Traceback" not in done.stderr
    assert not (films.root / ".tiltyard").exists()


def test_a_missing_extra_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Dash the command says what to install, with exit code 1."""
    films = make_films(tmp_path / "films", rows=10)
    monkeypatch.setitem(sys.modules, "dash", None)  # as Python notes a module that cannot be imported
    done = films.call("console", "--json", check=False)
    assert done.returncode == 1
    error = json.loads(done.stdout)["error"]
    assert (error["code"], error["extra"]) == ("extra.missing", "console")
    assert "pip install 'tiltyard[console]'" in error["next_step"]


def test_nothing_but_a_running_console_imports_dash() -> None:
    """Dash is imported when a console starts, and not by its package, its command, the help or the server."""
    names = "tiltyard.console.data, tiltyard.console.run, tiltyard.cli.monitoring.console, tiltyard.serving.server"
    code = (
        f"import {names}, tiltyard.cli.main, sys; print([m for m in ('dash', 'plotly', 'flask') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=600, check=True)
    assert done.stdout.strip() == "[]"
