"""Starting a server on its core, sending load from another, and writing down what came of it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil
from benchmarks.serving_bench.load import Load, pinned
from benchmarks.serving_bench.subjects import Subject, clean_environment
from benchmarks.serving_bench.systems import HOST, Stand, System

START_SECONDS = 120
STOP_SECONDS = 15
CHECKED = 5  # predictions that are compared with scikit-learn's before anything is measured
SAME = 1e-6


class NotServedError(Exception):
    """A server did not start, or predicts something else; the text says which."""


@dataclass(frozen=True)
class Row:
    """The figures of one system under one load.

    Attributes:
        system, texts, connections: what was measured.
        rps: responses a second.
        p50_ms, p99_ms: time to a response.
        errors: requests that failed.
        rss_mb: resident memory of all its processes after the load.
        cpu_us: processor time of all its processes for each response, in microseconds; what others do on the machine
            hardly changes it.
    """

    system: str
    texts: str
    connections: int
    rps: float
    p50_ms: float
    p99_ms: float
    errors: int
    rss_mb: float
    cpu_us: float

    def to_dict(self) -> dict[str, Any]:
        """As in the JSON output."""
        return asdict(self)


@dataclass(frozen=True)
class Effort:
    """How much is measured.

    Attributes:
        connections: the concurrencies.
        seconds: of load for each figure; before it a quarter of that, two seconds at most, goes unmeasured.
        cores: of the server and of the load; None each where they cannot be kept apart.
    """

    connections: tuple[int, ...]
    seconds: float
    cores: tuple[int | None, int | None]


def measure(system: System, stand: Stand, effort: Effort) -> Iterator[Row]:
    """Start a system, compare some predictions with scikit-learn's, and measure it under each load.

    Raises:
        NotServedError: it does not start, or its predictions are not the model's.
    """
    subject = stand.subject
    with run_server(system, stand, effort.cores[0]) as process:
        for kind, items in subject.inputs.items():
            bodies = [json.dumps(system.body(subject.task, item)).encode() for item in items]
            _check_predictions(system, stand, kind, bodies)
            load = Load(f"http://{HOST}:{stand.port}{system.path}", bodies, effort.cores[1], stand.folder)
            for connections in effort.connections:
                load.run(connections, min(2.0, effort.seconds / 4))
                before = processor_seconds(process)
                figures = load.run(connections, effort.seconds)
                spent = processor_seconds(process) - before
                responses = max(1, figures.pop("responses"))
                yield Row(
                    system.name,
                    kind,
                    connections,
                    **figures,
                    rss_mb=resident_megabytes(process),
                    cpu_us=round(spent / responses * 1e6, 1),
                )


def free_port() -> int:
    """A port on the loopback that is free, and so are the two above it, as far as can be seen."""
    for _ in range(50):
        with contextlib.ExitStack() as stack:
            first = stack.enter_context(socket.socket())
            first.bind((HOST, 0))
            port = int(first.getsockname()[1])
            try:
                for other in (port + 1, port + 2):
                    stack.enter_context(socket.socket()).bind((HOST, other))
            except OSError:
                continue
            return port
    raise NotServedError("no free ports")


@contextlib.contextmanager
def run_server(
    system: System, stand: Stand, core: int | None, more: Mapping[str, str] | None = None
) -> Iterator[psutil.Process]:
    """A server that responds, kept on a core, until the block ends; its messages are in ``server.log`` of its folder.

    Args:
        system, stand: what, and where.
        core: the processor core; None for any.
        more: variables of its environment.

    Raises:
        NotServedError: it does not start.
    """
    try:
        command = system.command(stand)
    except subprocess.CalledProcessError as error:
        raise NotServedError(_last_lines(error.stderr)) from None
    log = stand.folder / "server.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            command,
            cwd=stand.folder,
            env={**_server_environment(system, stand), **(more or {})},
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=pinned(core),  # noqa: PLW1509 - sets one number of the new process
        )
    try:
        _wait_until_ready(system, stand, process, log)
        yield psutil.Process(process.pid)
    finally:
        _stop_process(process)


def _server_environment(system: System, stand: Stand) -> dict[str, str]:
    environment = {
        **clean_environment(),
        "BENCH_TASK": stand.subject.task,
        "BENCH_MODEL": str(stand.subject.model),
        "BENCH_LOG": str(stand.folder / "predictions.jsonl"),
        "BENTOML_HOME": str(stand.folder / "bentoml"),
        "BENTOML_DO_NOT_TRACK": "True",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "1",
    }
    if system.requirements:
        environment.pop("PYTHONPATH", None)
        environment.pop("VIRTUAL_ENV", None)
        environment["PATH"] = f"{Path(stand.python).parent}{os.pathsep}{environment.get('PATH', '')}"
    return environment


def _wait_until_ready(system: System, stand: Stand, process: subprocess.Popen[bytes], log: Path) -> None:
    kind, items = next(iter(stand.subject.inputs.items()))
    body = json.dumps(system.body(stand.subject.task, items[0])).encode()
    until = time.monotonic() + START_SECONDS
    last = f"no response for {kind}"
    while time.monotonic() < until:
        if process.poll() is not None:
            raise NotServedError(f"it ended with {process.returncode}: {_last_lines(log.read_bytes())}")
        try:
            post_body(system, stand, body)
        except (OSError, urllib.error.URLError, ValueError) as error:
            last = str(error)
            time.sleep(0.05)
        else:
            return
    raise NotServedError(f"it did not respond within {START_SECONDS} s ({last}): {_last_lines(log.read_bytes())}")


def post_body(system: System, stand: Stand, body: bytes) -> Any:
    """The response to one request, from JSON."""
    request = urllib.request.Request(
        f"http://{HOST}:{stand.port}{system.path}", body, {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=20) as response:
        return json.loads(response.read())


def _check_predictions(system: System, stand: Stand, kind: str, bodies: list[bytes]) -> None:
    """Check that the same model predicts everywhere; otherwise the figures mean nothing."""
    if system.confidence is None:
        return
    for body, expected in list(zip(bodies, stand.subject.confidence[kind], strict=True))[:CHECKED]:
        given = system.confidence(post_body(system, stand, body))
        if not abs(given - expected) <= SAME:
            raise NotServedError(f"it predicts {given:.6f} where scikit-learn gives {expected:.6f} ({kind})")


def resident_megabytes(process: psutil.Process) -> float:
    """Resident memory of a process and all that it started, in MiB."""
    total = 0
    for part in [process, *process.children(recursive=True)]:
        with contextlib.suppress(psutil.NoSuchProcess):
            total += part.memory_info().rss
    return total / 2**20


def processor_seconds(process: psutil.Process) -> float:
    """Processor time of a process and all that it started: of what has ended too, once its parent waited for it."""
    total = 0.0
    for part in [process, *process.children(recursive=True)]:
        with contextlib.suppress(psutil.NoSuchProcess):
            times = part.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


def _stop_process(process: subprocess.Popen[bytes]) -> None:
    """End the server and whatever it started; they are one session."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
            if number == signal.SIGTERM:
                continue
    process.wait()


def _last_lines(said: bytes | str) -> str:
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower()]
    return " / ".join((errors or lines)[-3:])[:400] or "no message"


__all__ = [
    "Effort",
    "NotServedError",
    "Row",
    "Subject",
    "free_port",
    "measure",
    "post_body",
    "processor_seconds",
    "resident_megabytes",
    "run_server",
]
