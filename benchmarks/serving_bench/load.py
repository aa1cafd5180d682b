"""The load: wrk where it is installed, else our own small client; each request takes the next body in turn."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

OWN_CLIENT = "the benchmark's own client"

SCRIPT = """
local bodies, at = {}, 0
for line in io.lines(os.getenv("BENCH_BODIES")) do bodies[#bodies + 1] = line end
local requests = {}
init = function(args)
  local headers = { ["Content-Type"] = "application/json" }
  for i, body in ipairs(bodies) do requests[i] = wrk.format("POST", nil, headers, body) end
end
request = function() at = at % #requests + 1; return requests[at] end
done = function(summary, latency, _)
  local e = summary.errors
  io.write(string.format('\\n{"requests": %d, "microseconds": %d, "p50": %f, "p99": %f, "errors": %d}\\n',
    summary.requests - e.status, summary.duration, latency:percentile(50), latency:percentile(99),
    e.connect + e.read + e.write + e.status + e.timeout))
end
"""


class NoResponseError(RuntimeError):
    """A server responded to nothing that was sent to it."""


@dataclass(frozen=True)
class Load:
    """What is sent where.

    Attributes:
        url: where to.
        bodies: JSON bodies, sent in turn.
        core: the processor core that sends; None for any.
        folder: for the files that a client needs.
    """

    url: str
    bodies: Sequence[bytes]
    core: int | None
    folder: Path

    def run(self, connections: int, seconds: float) -> dict[str, Any]:
        """Send for so long over so many connections.

        Returns:
            ``responses``, the number of good ones, ``rps`` of them, ``p50_ms``, ``p99_ms`` and ``errors`` (responses of
            400 and more, and failures to connect, read, write or respond in time).

        Raises:
            NoResponseError: there was not one good response.
            RuntimeError: the client failed.
        """
        file = self.folder / "bodies.jsonl"
        file.write_bytes(b"\n".join(self.bodies) + b"\n")
        script = self.folder / "load.lua"
        script.write_text(SCRIPT, encoding="utf-8")
        wrk = shutil.which("wrk")
        if wrk:
            duration = f"{max(1, round(seconds))}s"
            command = [wrk, "-t1", f"-c{connections}", f"-d{duration}", "--timeout", "20s", "-s", str(script), self.url]
        else:
            command = [
                sys.executable, str(Path(__file__).with_name("client.py")),
                self.url, str(file), str(connections), str(seconds),
            ]  # fmt: skip
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds + 60,
            env={**os.environ, "BENCH_BODIES": str(file)},
            preexec_fn=pinned(self.core),
        )
        if done.returncode:
            raise RuntimeError(f"{command[0]} failed: {done.stderr.strip() or done.stdout.strip()}")
        figures = json.loads(done.stdout.strip().splitlines()[-1])
        if int(figures["requests"]) < 1:
            raise NoResponseError(f"it gave no good response in {seconds:g} s: {int(figures['errors'])} errors")
        return {
            "responses": int(figures["requests"]),
            "rps": figures["requests"] / figures["microseconds"] * 1e6,
            "p50_ms": figures["p50"] / 1000,
            "p99_ms": figures["p99"] / 1000,
            "errors": int(figures["errors"]),
        }


def client() -> str:
    """What sends the load."""
    return "wrk" if shutil.which("wrk") else OWN_CLIENT


def describe_client() -> str:
    """What sends the load, and what it cannot do, for people."""
    if client() != OWN_CLIENT:
        return f"The load comes from {client()}."
    return (
        f"The load comes from {OWN_CLIENT}, which sends a few thousand requests a second at most: fast servers wait "
        "for it. Install wrk (apt-get install wrk, brew install wrk) for figures that mean something there."
    )


def pinned(core: int | None) -> Any:
    """What a new process does first: stay on one core."""
    if core is None or not hasattr(os, "sched_setaffinity"):
        return None
    return lambda: os.sched_setaffinity(0, {core})
