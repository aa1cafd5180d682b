"""Projects and servers for tests: real files, real processes, real HTTP on loopback."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

REVIEWS = Path(__file__).parents[1] / "examples" / "sentiment" / "data" / "reviews.csv"

PROJECT = """
[project]
name = "films"
task = "text-classification"
[data]
source = "reviews.csv"
text = "text"
label = "label"
positive = "positive"
[promotion]
rule = "better"
[serving]
answer = "sentiment"
port = 0
reload_seconds = 0.2
"""


@dataclass(frozen=True)
class Films:
    """A project in a folder of its own, and the command line on it."""

    root: Path

    def run(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run ``tiltyard`` as a user would; ``check`` expects exit code 0."""
        done = subprocess.run(
            [sys.executable, "-m", "tiltyard", *words],
            cwd=self.root,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        if check:
            assert done.returncode == 0, done.stdout + done.stderr
        return done

    def json(self, *words: str) -> object:
        """Run a command with ``--json`` and read its answer."""
        return json.loads(self.run(*words, "--json").stdout)


def environment() -> dict[str, str]:
    """This process's environment without settings that point elsewhere."""
    left_out = ("TILTYARD_", "MLFLOW_", "PREFECT_")
    return {name: value for name, value in os.environ.items() if not name.startswith(left_out)}


def make_films(root: Path, rows: int = 600, project: str = PROJECT) -> Films:
    """A project with the first rows of the shipped reviews."""
    root.mkdir(parents=True, exist_ok=True)
    with REVIEWS.open(encoding="utf-8", newline="") as source:
        lines = list(csv.reader(source))
    with (root / "reviews.csv").open("w", encoding="utf-8", newline="") as target:
        csv.writer(target).writerows(lines[: rows + 1])
    (root / "tiltyard.toml").write_text(project, encoding="utf-8")
    return Films(root)


@contextmanager
def serving(films: Films, *words: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A server of the project in a process of its own, with options: its address and the process."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tiltyard", "serve", "--json", *words],
        cwd=films.root,
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())["url"], process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)
        if process.stdout is not None:
            process.stdout.close()
