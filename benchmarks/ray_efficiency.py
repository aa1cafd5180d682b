"""What ``tiltyard score`` does on a Ray cluster, compared with as many local processes on the same cores.

The same table is scored by so many local processes and by a cluster of one node with so many processors, one after the
other, several times in turn. The efficiency is the wall time of the local processes through that of Ray. Processor
seconds are those of the command with its processes, and of the cluster's: its daemons, and its workers while they work.

``python benchmarks/ray_efficiency.py --rows 4000000 --processes 2 3 4 --repeats 3 --json ray.json``
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.batch import MODELS, prepare, write_source
from benchmarks.machine import machine

AIM = 0.85
_START_SECONDS = 120.0
_POLL_SECONDS = 0.02


class Cluster:
    """A Ray cluster of one node, a child of this program.

    Args:
        processors: how many it has.
    """

    def __init__(self, processors: int) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self.address = f"127.0.0.1:{self._port}"
        program = str(Path(sys.executable).with_name("ray"))
        words = ["start", "--head", "--block", "--num-cpus", str(processors), "--port", str(self._port)]
        self._process = psutil.Popen(
            [program, *words, "--include-dashboard=false"],
            env={**os.environ, "RAY_USAGE_STATS_ENABLED": "0"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._seen: dict[int, float] = {}

    def wait(self) -> None:
        """Wait until it accepts connections."""
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self._port), 1):
                time.sleep(5)  # its workers start after its port is open
                return
            time.sleep(0.2)
        sys.exit("the cluster did not start")

    def read_processor_seconds(self) -> float:
        """What all its processes, those that have ended since included, have used so far."""
        for one in [self._process, *self._process.children(recursive=True)]:
            with suppress(psutil.Error):
                times = one.cpu_times()
                self._seen[one.pid] = times.user + times.system
        return sum(self._seen.values())

    def stop(self) -> None:
        """End all its processes."""
        family = [*self._process.children(recursive=True), self._process]
        for one in family:
            with suppress(psutil.Error):
                one.terminate()
        _, alive = psutil.wait_procs(family, 20)
        for one in alive:
            with suppress(psutil.Error):
                one.kill()
        self._process.wait()


@contextmanager
def running_cluster(processors: int) -> Iterator[Cluster]:
    """A cluster that lasts as long as the block."""
    cluster = Cluster(processors)
    try:
        cluster.wait()
        yield cluster
    finally:
        cluster.stop()


def score(folder: Path, source: Path, processes: int, cluster: Cluster | None) -> tuple[float, float]:
    """Wall seconds and processor seconds of one run over a source."""
    target = folder / "scores.parquet"
    target.unlink(missing_ok=True)
    words = ["score", str(source), "--to", str(target), "--workers", str(processes), "--restart"]
    words += ["--engine", "ray"] if cluster is not None else []
    environment = dict(os.environ) if cluster is None else {**os.environ, "RAY_ADDRESS": cluster.address}
    before = _own_children(), cluster.read_processor_seconds() if cluster is not None else 0.0
    began = time.perf_counter()
    done = subprocess.Popen(
        [sys.executable, "-m", "tiltyard", *words],
        cwd=folder,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    while done.poll() is None:
        if cluster is not None:
            cluster.read_processor_seconds()  # a worker that ends between two looks is counted until the last one
        time.sleep(_POLL_SECONDS if cluster is None else 10 * _POLL_SECONDS)
    wall = time.perf_counter() - began
    if done.returncode not in (0, 3):
        sys.exit(done.stderr.read() if done.stderr is not None else "the run failed")
    if pq.read_metadata(target).num_rows != pq.read_metadata(source).num_rows:
        sys.exit("the result has another number of rows than the source")
    after = _own_children(), cluster.read_processor_seconds() if cluster is not None else 0.0
    return wall, after[0] - before[0] + after[1] - before[1]


def _own_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def compare(folder: Path, source: Path, processes: int, repeats: int) -> dict[str, float]:
    """The medians of both, in turn, and the efficiency."""
    local: list[tuple[float, float]] = []
    ray: list[tuple[float, float]] = []
    with running_cluster(processes) as cluster:
        for _ in range(repeats):
            local.append(score(folder, source, processes, None))
            ray.append(score(folder, source, processes, cluster))
    found = {
        "local_seconds": statistics.median(wall for wall, _ in local),
        "ray_seconds": statistics.median(wall for wall, _ in ray),
        "local_processor_seconds": statistics.median(used for _, used in local),
        "ray_processor_seconds": statistics.median(used for _, used in ray),
    }
    return {**found, "efficiency": found["local_seconds"] / found["ray_seconds"]}


def main() -> None:
    """Measure each number of processes, and print and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=4_000_000)
    parser.add_argument("--model", choices=MODELS, default="boosting")
    parser.add_argument("--processes", type=int, nargs="*", default=[2, 3, 4])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    found: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory(prefix="tiltyard-ray-") as made:
        folder = Path(made)
        prepare(folder, chosen.model)
        source = folder / "rows.parquet"
        write_source(source, chosen.model, chosen.rows)
        for processes in chosen.processes:
            found[str(processes)] = one = compare(folder, source, processes, chosen.repeats)
            print(
                f"{processes} processes: {one['local_seconds']:.1f} s here, {one['ray_seconds']:.1f} s on Ray: "
                f"{one['efficiency']:.2f} (aim {AIM}); processor seconds {one['local_processor_seconds']:.1f} and "
                f"{one['ray_processor_seconds']:.1f}",
                flush=True,
            )
    report = {"machine": machine(), "rows": chosen.rows, "model": chosen.model, "aim": AIM, "by_processes": found}
    if chosen.json:
        chosen.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
