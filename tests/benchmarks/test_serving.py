"""The serving benchmark sends what it says, counts what comes back, and says what it could not measure."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from benchmarks.serving_bench import report
from benchmarks.serving_bench.load import Load, NoResponseError, client, describe_client
from benchmarks.serving_bench.measuring import Row
from benchmarks.serving_bench.subjects import Subject, long_texts, short_texts
from benchmarks.serving_bench.systems import SYSTEMS, System
from rich.console import Console

from benchmarks import serving as script

REFUSING = Path(__file__).with_name("refusing_server.py")
BODIES = [b'{"text": "fine"}', b'{"text": "bad"}']


class Picky(BaseHTTPRequestHandler):
    """Responds to good requests, and refuses bad ones."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        """Respond, or refuse with 422."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(422 if b"bad" in body else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Chunked(BaseHTTPRequestHandler):
    """Responds in two chunks, with a line after the last one."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        """Send the body back in chunks."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for part in (body[:3], body[3:]):
            self.wfile.write(b"%x;note\r\n%s\r\n" % (len(part), part))
        self.wfile.write(b"0\r\nX-After: 1\r\n\r\n")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def running(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/predict"
        server.shutdown()


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with running(Picky) as at:
        yield at


@pytest.mark.parametrize("with_wrk", [True, False], ids=["wrk", "own"])
def test_good_responses_and_refusals_are_counted_apart(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, with_wrk: bool
) -> None:
    """Either client sends the bodies in turn, counts good responses as responses and refusals as errors."""
    if not with_wrk:
        monkeypatch.setenv("PATH", os.fspath(tmp_path))
    figures = Load(address, BODIES, None, tmp_path).run(2, 1)
    assert figures["rps"] > 0
    assert figures["errors"] > 0
    assert figures["rps"] * 1.5 > figures["errors"] > figures["rps"] / 3
    assert 0 < figures["p50_ms"] <= figures["p99_ms"]


@pytest.mark.parametrize("with_wrk", [True, False], ids=["wrk", "own"])
def test_responses_in_chunks_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, with_wrk: bool) -> None:
    """Either client reads responses that come in chunks, as those of the raw echo do, with lines after the last one."""
    if not with_wrk:
        monkeypatch.setenv("PATH", os.fspath(tmp_path))
    with running(Chunked) as address:
        figures = Load(address, BODIES[:1], None, tmp_path).run(2, 1)
    assert (figures["responses"] > 0, figures["errors"]) == (True, 0)


@pytest.mark.parametrize("with_wrk", [True, False], ids=["wrk", "own"])
def test_a_server_that_only_refuses_has_no_figures(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, with_wrk: bool
) -> None:
    """Where not one response is good, there is an error that says so, and no figure."""
    if not with_wrk:
        monkeypatch.setenv("PATH", os.fspath(tmp_path))
    with pytest.raises(NoResponseError, match="no good response"):
        Load(address, BODIES[1:], None, tmp_path).run(2, 1)


def test_a_run_fails_with_a_system_that_responds_to_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A system that starts and then refuses all of the load ends the run as failed, by name, after the figures."""
    subject = Subject("text", tmp_path, tmp_path, {"short": ["fine", "bad", "bad"]}, {}, "none")
    monkeypatch.setattr(script, "_prepare_subjects", lambda *_: [subject])
    refusing = System(
        "refusing", "refuses all but the first", (), lambda stand: [sys.executable, str(REFUSING), str(stand.port)],
        "/predict", lambda _task, item: {"text": item}, None, "",
    )  # fmt: skip
    monkeypatch.setitem(SYSTEMS, "refusing", refusing)
    out = tmp_path / "out.json"
    with pytest.raises(SystemExit, match="No good response under load from refusing"):
        script.main(["--systems", "refusing", "--connections", "1", "--seconds", "1", "--json", str(out)])
    assert "no good response" in json.loads(out.read_text("utf-8"))["unavailable"]["refusing"]
    assert describe_client() in " ".join(capsys.readouterr().err.split())


def test_which_client_sends_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without wrk the load says that it comes from a slow client, and how wrk is installed."""
    monkeypatch.setenv("PATH", os.fspath(tmp_path))
    assert client() == "the benchmark's own client"
    assert "apt-get install wrk" in describe_client()


def test_texts_have_their_lengths() -> None:
    """Short texts are cut between words below 120 characters, long ones have about 230 words."""
    reviews = [f"word{number} " * 60 for number in range(40)]
    assert all(80 <= len(text) <= 120 and not text.endswith(" ") for text in short_texts(reviews))
    assert all(len(text.split()) == 230 for text in long_texts(reviews))
    assert long_texts(["only a few words"]) == ["only a few words"]


def test_ratios_compare_the_same_load() -> None:
    """A ratio is Tiltyard's responses a second over the other's under the same load, where both are measured."""
    rows = [
        Row("tiltyard", "short", 8, 3000.0, 1.0, 2.0, 0, 100.0, 90.0),
        Row("mlflow", "short", 8, 300.0, 1.0, 2.0, 0, 100.0, 90.0),
        Row("mlflow", "short", 32, 300.0, 1.0, 2.0, 0, 100.0, 90.0),
    ]
    assert [(item["connections"], item["ratio"]) for item in report.ratios(rows)] == [(8, 10.0)]


def test_a_system_that_cannot_be_installed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a way to install it a system is reported by name with the reason, in the table and in the figures."""
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_CACHE_DIR", os.fspath(tmp_path / "empty"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    installed, unavailable = script._install_systems([SYSTEMS["bentoml"]], tmp_path / "cache")
    assert installed == {}
    assert unavailable["bentoml"].startswith("not installed: ")
    report.show(Console(), [], unavailable)
    assert "bentoml was not measured: not installed" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--systems", "tiltyard,torchserve"], "no system torchserve"),
        (["--texts", "absent.csv"], "absent.csv does not exist"),
        (["--seconds", "0"], "must be from 1 to 600"),
        (["--connections", "0"], "must be from 1 to 1000"),
    ],
)
def test_what_cannot_be_meant_is_refused(arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Unknown systems, files and amounts are refused before anything is trained."""
    with pytest.raises(SystemExit):
        script.main(arguments)
    assert says in capsys.readouterr().err


@pytest.mark.proof
def test_tiltyard_is_measured_with_its_keys(tmp_path: Path) -> None:
    """A run trains, serves, checks the predictions, and writes the figures with the promised keys, and a plot."""
    out, plot = tmp_path / "out.json", tmp_path / "out.png"
    script.main(
        ["--systems", "tiltyard", "--connections", "1", "--seconds", "1", "--json", str(out), "--plot", str(plot)]
    )
    figures = json.loads(out.read_text("utf-8"))
    assert figures["unavailable"] == {}
    assert [row["texts"] for row in figures["rows"]] == ["short", "long"]
    for row in figures["rows"]:
        assert set(row) == {"system", "texts", "connections", "rps", "p50_ms", "p99_ms", "errors", "rss_mb", "cpu_us"}
        assert (row["system"], row["connections"], row["errors"]) == ("tiltyard", 1, 0)
        assert row["rps"] > 0
    assert plot.stat().st_size > 1000
