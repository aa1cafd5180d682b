"""The comparison of two builds sends to both at once, counts what each did, and refuses what cannot be compared."""

from __future__ import annotations

import json
import select
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest
from benchmarks.serving_bench.builds import (
    Comparison,
    Figures,
    Served,
    identify_build,
    measure_round,
    wait_until_quiet,
)
from benchmarks.serving_bench.load import Load

from benchmarks import serving_builds as script
from tiltyard import __version__


class Noting(BaseHTTPRequestHandler):
    """Responds at once, and notes when."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    times: list[float]

    def do_POST(self) -> None:
        """Respond with an empty object."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.times.append(time.monotonic())
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def two_servers() -> Iterator[list[tuple[str, list[float]]]]:
    """Addresses of two servers, and the times of their requests."""
    with ExitStack() as running:
        found = []
        for _ in range(2):

            class Handler(Noting):
                times: list[float] = []  # noqa: RUF012 - of this server

            handler = Handler
            server = running.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), handler))
            threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
            running.callback(server.shutdown)
            found.append((f"http://127.0.0.1:{server.server_address[1]}/predict", handler.times))
        yield found


def test_both_servers_get_their_load_at_the_same_time(
    two_servers: list[tuple[str, list[float]]], tmp_path: Path
) -> None:
    """Requests to the one arrive while those to the other do, and each gets its own figures."""
    servers = []
    for number, (url, _) in enumerate(two_servers):
        folder = tmp_path / str(number)
        folder.mkdir()
        servers.append(Served(Load(url, [b"{}"], None, folder), psutil.Process()))
    figures = measure_round(servers, 2, 1)
    (first, second) = (times for _, times in two_servers)
    assert max(first[0], second[0]) < min(first[-1], second[-1])
    for found, times in zip(figures, (first, second), strict=True):
        assert 0 < found.rps <= len(times)
        assert found.cpu_us > 0
        assert found.errors == 0


def test_work_after_the_last_request_is_waited_for() -> None:
    """Servers are quiet when none of them works any more; where they never are, that is an error."""
    work = "import time\nwhile time.process_time() < {}: pass\nprint(flush=True); input()"
    for seconds in (0.4, 600.0):
        command = [sys.executable, "-c", work.format(seconds)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            try:
                assert process.stdout is not None
                busy = psutil.Process(process.pid)
                while sum(busy.cpu_times()[:2]) < 0.1:
                    time.sleep(0.01)
                if seconds > 1:
                    with pytest.raises(RuntimeError, match="still at work"):
                        wait_until_quiet([busy], 1.0)
                else:
                    wait_until_quiet([busy])
                    (said, _, _) = select.select([process.stdout], [], [], 0)
                    assert said, "it was still at work"
            finally:
                process.kill()


def test_ratios_are_medians_of_the_rounds() -> None:
    """One disturbed round does not decide: a ratio is the median of the rounds' ratios, later over earlier."""
    rounds = [(1000, 900, 50, 60), (1000, 1100, 50, 55), (10, 1000, 50, 50)]
    found = Comparison("short", tuple((Figures(a, c, 1), Figures(b, d, 2)) for a, b, c, d in rounds))
    assert (found.rps_ratio, found.cpu_ratio, found.errors) == (1.1, 1.1, (3, 6))
    assert json.loads(json.dumps(found.to_dict()))["rounds"][0]["after"] == {"rps": 900, "cpu_us": 60, "errors": 2}


def test_a_build_is_named_by_its_version(tmp_path: Path) -> None:
    """A build says its version; an interpreter without Tiltyard, or none at all, is refused with the reason."""
    assert identify_build(Path(sys.executable), tmp_path).version == __version__
    with pytest.raises(ValueError, match="cannot be run"):
        identify_build(tmp_path / "absent", tmp_path)
    bare = tmp_path / "python"
    bare.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S -I "$@"\n', encoding="utf-8")
    bare.chmod(0o755)
    with pytest.raises(ValueError, match=r"has no Tiltyard: ModuleNotFoundError"):
        identify_build(bare, tmp_path)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--before", "absent"], "name a checkout with .venv, or an interpreter"),
        (["--before", sys.executable, "--project", "."], "has no tiltyard.toml"),
        (["--before", sys.executable, "--texts", "absent.csv"], "absent.csv does not exist"),
        (["--before", sys.executable, "--rounds", "0"], "--rounds 0 must be from 1 to 100"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Builds, projects, files and amounts that cannot be meant are refused before anything starts."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        script.main(arguments)
    assert says in " ".join(capsys.readouterr().err.split())


@pytest.mark.proof
def test_a_build_is_as_fast_as_itself(tmp_path: Path) -> None:
    """The same build on both sides gives the promised keys and ratios near 1."""
    out = tmp_path / "out.json"
    script.main(["--before", sys.executable, "--rounds", "1", "--seconds", "2", "--json", str(out)])
    figures = json.loads(out.read_text("utf-8"))
    assert [row["texts"] for row in figures["rows"]] == ["short", "long"]
    for row in figures["rows"]:
        assert row["errors"] == [0, 0]
        assert 0.5 < row["rps_ratio"] < 2
        assert 0.5 < row["cpu_ratio"] < 2
    assert set(figures["builds"]) == {"before", "after"}
    assert all(build["rss_mb"] > 50 for build in figures["builds"].values())
