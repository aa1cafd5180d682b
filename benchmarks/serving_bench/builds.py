"""Two builds of Tiltyard that serve the same project at the same time, on one core, under the same load."""

from __future__ import annotations

import json
import statistics
import subprocess
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from benchmarks.serving_bench.load import Load
from benchmarks.serving_bench.measuring import processor_seconds
from benchmarks.serving_bench.subjects import clean_environment

QUIET_SHARE = 0.1
"""Servers are quiet when they use less than this share of a core, all of them together."""
QUIET_WITHIN = 60.0

_IDENTIFY = """
import importlib.metadata, json, tiltyard
print(json.dumps({"file": tiltyard.__file__, "version": importlib.metadata.version("tiltyard")}))
"""


@dataclass(frozen=True)
class Build:
    """A Tiltyard that is installed somewhere.

    Attributes:
        python: the interpreter of its environment.
        version: what it calls itself.
        commit: of the checkout that it runs from; empty for an installed package.
    """

    python: Path
    version: str
    commit: str

    @property
    def title(self) -> str:
        """For people."""
        return f"{self.version} ({self.commit})" if self.commit else self.version


@dataclass(frozen=True)
class Served:
    """A running server and what is sent to it.

    Attributes:
        load: the requests.
        process: its first process; those that it started count as well.
    """

    load: Load
    process: psutil.Process


@dataclass(frozen=True)
class Figures:
    """One build in one round.

    Attributes:
        rps: responses a second.
        cpu_us: processor time for each response, in microseconds, what is done after the response included.
        errors: requests that failed.
    """

    rps: float
    cpu_us: float
    errors: int


@dataclass(frozen=True)
class Comparison:
    """All rounds of one kind of input.

    Attributes:
        texts: the kind of input.
        rounds: the figures of the earlier and the later build, round by round.
    """

    texts: str
    rounds: tuple[tuple[Figures, Figures], ...]

    @property
    def rps_ratio(self) -> float:
        """Responses a second, later over earlier: the median of the rounds."""
        return statistics.median(after.rps / before.rps for before, after in self.rounds)

    @property
    def cpu_ratio(self) -> float:
        """Processor time of a response, later over earlier: the median of the rounds."""
        return statistics.median(after.cpu_us / before.cpu_us for before, after in self.rounds)

    @property
    def errors(self) -> tuple[int, int]:
        """Failed requests of both builds."""
        return sum(before.errors for before, _ in self.rounds), sum(after.errors for _, after in self.rounds)

    def to_dict(self) -> dict[str, Any]:
        """As in the JSON output."""
        return {
            "texts": self.texts,
            "rps_ratio": self.rps_ratio,
            "cpu_ratio": self.cpu_ratio,
            "errors": list(self.errors),
            "rounds": [{"before": vars(before), "after": vars(after)} for before, after in self.rounds],
        }


def identify_build(python: Path, folder: Path) -> Build:
    """The Tiltyard of an interpreter.

    Args:
        python: the interpreter.
        folder: an empty folder to ask from, where no other Tiltyard can be imported.

    Raises:
        ValueError: it does not run, or has no Tiltyard.
    """
    environment = {name: value for name, value in clean_environment().items() if name != "PYTHONPATH"}
    command = [str(python), "-c", _IDENTIFY]
    try:
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    except OSError as error:
        raise ValueError(f"{python} cannot be run: {error.strerror}") from None
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise ValueError(f"{python} has no Tiltyard: {last}")
    found = json.loads(done.stdout)
    place = Path(found["file"]).parent
    command = ["git", "-C", str(place), "log", "-1", "--format=%h", "--", "."]
    commit = subprocess.run(command, capture_output=True, text=True, check=False)
    return Build(python, found["version"], commit.stdout.strip())


def measure_round(servers: Sequence[Served], connections: int, seconds: float) -> list[Figures]:
    """Send to all servers at once, and wait until they are quiet: what is shipped afterwards counts as well.

    Whatever else the machine does meets all of them in the same seconds.

    Raises:
        RuntimeError: a client failed, or the servers are not quiet after a minute.
    """
    before = [processor_seconds(server.process) for server in servers]
    with ThreadPoolExecutor(len(servers)) as pool:
        sent = list(pool.map(lambda server: server.load.run(connections, seconds), servers))
    wait_until_quiet([server.process for server in servers])
    spent = [processor_seconds(server.process) - start for server, start in zip(servers, before, strict=True)]
    return [
        Figures(found["rps"], round(used / max(1, found["responses"]) * 1e6, 2), found["errors"])
        for found, used in zip(sent, spent, strict=True)
    ]


def wait_until_quiet(processes: Sequence[psutil.Process], within: float = QUIET_WITHIN, step: float = 1.0) -> None:
    """Wait until processes use almost no processor time.

    Args:
        processes: them; what they started counts as well.
        within: seconds after which it is given up.
        step: seconds between two looks.

    Raises:
        RuntimeError: they are still at work.
    """
    until = time.monotonic() + within
    last = sum(map(processor_seconds, processes))
    while time.monotonic() < until:
        time.sleep(step)
        now = sum(map(processor_seconds, processes))
        if now - last < QUIET_SHARE * step:
            return
        last = now
    raise RuntimeError(f"the servers are still at work {within:g} s after the last request")
