"""A long run at a share of what a server can take: is memory flat, does anything fail, how long do responses take?

    python benchmarks/soak.py --minutes 10 --json soak.json

It trains the shipped film reviews, serves them with ``tiltyard serve``, measures for a few seconds what the server can
take, and then sends requests on a schedule (open loop: a slow response does not delay the next request) at the share
of it that is requested. Keys of the JSON: ``minutes``, ``capacity_rps``, ``rps``, ``requests``, ``errors``, ``p50_ms``,
``p99_ms``, ``rss_mb`` (of all workers, at the start, the end, and once a minute), ``growth_mb`` (a line through the
second half, over its length), ``flat``.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import click
import numpy as np
import psutil

EXAMPLE = Path(__file__).parents[1] / "examples" / "sentiment"
TEXT = "The film was slow at first, but the last half hour is wonderful, and I would gladly see it again with friends."
BODY = json.dumps({"text": TEXT}).encode()
CONNECTIONS = 16
# What a process may gain over the second half of a run and still be called flat: allocators are not exact.
FLAT_MB = 10.0


@dataclass(frozen=True)
class Soak:
    """What a run showed; see the module."""

    minutes: float
    capacity_rps: float
    rps: float
    requests: int
    errors: int
    p50_ms: float
    p99_ms: float
    rss_mb: list[float]
    growth_mb: float
    flat: bool


class Connection:
    """One HTTP/1.1 connection that is kept open: as little client as will do, since it shares the machine."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        head = (
            f"POST /predict HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {len(BODY)}"
        )
        self._request = head.encode() + b"\r\n\r\n" + BODY
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self) -> bool:
        """Send one request; whether the response was 200."""
        try:
            if self._streams is None:
                self._streams = await asyncio.open_connection(self._host, self._port)
            reader, writer = self._streams
            writer.write(self._request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            await reader.readexactly(length)
        except (OSError, asyncio.IncompleteReadError, ValueError):
            self._streams = None
            return False
        return head.startswith(b"HTTP/1.1 200")


async def flood(connections: Sequence[Connection], seconds: float) -> float:
    """Requests a second when every connection sends its next one at once."""
    end = time.perf_counter() + seconds

    async def one(connection: Connection) -> int:
        count = 0
        while time.perf_counter() < end:
            count += await connection.ask()
        return count

    return sum(await asyncio.gather(*map(one, connections))) / seconds


async def steady(
    connections: Sequence[Connection], rate: float, seconds: float, watch: Sequence[psutil.Process]
) -> tuple[list[float], int, list[float]]:
    """Send at a rate; the times from when a request was due to its response in ms, the errors, and memory by minute."""
    free: asyncio.Queue[Connection] = asyncio.Queue()
    for connection in connections:
        free.put_nowait(connection)
    times: list[float] = []
    errors = 0
    memory = [_memory(watch)]
    began = time.perf_counter()

    async def one(due: float) -> None:
        nonlocal errors
        connection = await free.get()
        good = await connection.ask()
        free.put_nowait(connection)
        times.append((time.perf_counter() - due) * 1000)
        errors += not good

    tasks: set[asyncio.Task[None]] = set()
    sent = 0
    while (now := time.perf_counter()) < began + seconds:
        while sent < (now - began) * rate:
            task = asyncio.ensure_future(one(began + sent / rate))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            sent += 1
        if now - began > 60 * len(memory) or (seconds < 60 and now - began > seconds / 8 * len(memory)):
            memory.append(_memory(watch))
        await asyncio.sleep(0.001)
    await asyncio.gather(*tasks)
    memory.append(_memory(watch))
    return times, errors, memory


def _memory(processes: Sequence[psutil.Process]) -> float:
    return float(sum(process.memory_info().rss for process in processes)) / 2**20


@contextmanager
def served(folder: Path, workers: int) -> Iterator[tuple[str, int, list[psutil.Process]]]:
    """A server of the example with a champion: host, port and its workers."""
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns(".tiltyard"))
    command = [sys.executable, "-m", "tiltyard"]
    subprocess.run([*command, "train", "--champion"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    serve = [*command, "serve", "--port", "0", "--workers", str(workers), "--json"]
    process = subprocess.Popen(serve, cwd=folder, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        host, _, port = json.loads(process.stdout.readline())["url"].removeprefix("http://").partition(":")
        children = psutil.Process(process.pid).children()
        # What calls the registry ends soon.
        yield host, int(port), [child for child in children if "tiltyard.serving.process.worker" in child.cmdline()]
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


async def run(host: str, port: int, workers: list[psutil.Process], minutes: float, share: float) -> Soak:
    """Measure what the server can take, then soak it."""
    connections = [Connection(host, port) for _ in range(CONNECTIONS)]
    await flood(connections, 2.0)
    capacity = await flood(connections, 5.0)
    rate = capacity * share
    times, errors, memory = await steady(connections, rate, minutes * 60, workers)
    late = memory[len(memory) // 2 :]
    growth = float(np.polyfit(range(len(late)), late, 1)[0] * (len(late) - 1)) if len(late) > 1 else 0.0
    p50, p99 = np.percentile(times, [50, 99])
    return Soak(
        minutes=minutes,
        capacity_rps=round(capacity, 1),
        rps=round(len(times) / (minutes * 60), 1),
        requests=len(times),
        errors=errors,
        p50_ms=round(float(p50), 2),
        p99_ms=round(float(p99), 2),
        rss_mb=[round(value, 1) for value in memory],
        growth_mb=round(growth, 1),
        flat=growth < FLAT_MB,
    )


@click.command()
@click.option("--minutes", default=10.0, show_default=True, help="How long.")
@click.option("--share", default=0.7, show_default=True, help="Share of what the server can take.")
@click.option("--workers", default=1, show_default=True, help="Processes that serve.")
@click.option("--json", "out", type=click.Path(path_type=Path), default=None, help="Where the figures go.")
def main(minutes: float, share: float, workers: int, out: Path | None) -> None:
    """Soak a server."""
    with tempfile.TemporaryDirectory() as folder, served(Path(folder) / "films", workers) as (host, port, processes):
        found = asyncio.run(run(host, port, processes, minutes, share))
    click.echo(
        f"{found.requests:,} requests in {minutes:g} minutes at {found.rps:,.0f}/s ({share:.0%} of "
        f"{found.capacity_rps:,.0f}/s): {found.errors} errors, p50 {found.p50_ms} ms, p99 {found.p99_ms} ms; "
        f"memory {found.rss_mb[0]:.0f} to {found.rss_mb[-1]:.0f} MB ({'flat' if found.flat else 'growing'})"
    )
    if out is not None:
        out.write_text(json.dumps(asdict(found), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
