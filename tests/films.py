"""Projects and servers for tests: real files, real processes, real HTTP on loopback."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from tests import fork_server
from tiltyard.cli.main import main
from tiltyard.registry import mlflow_env

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
    """A project folder, and the command line on it."""

    root: Path

    def run(self, *words: str, check: bool = True, fresh: bool = False) -> subprocess.CompletedProcess[str]:
        """Run ``tiltyard`` as a user would; ``check`` expects exit code 0, ``fresh`` imports everything again."""
        command = [sys.executable, "-m", "tiltyard", *words]
        done = fork_server.run(command, cwd=self.root, env=environment(), timeout=240, fresh=fresh)
        if check:
            assert done.returncode == 0, done.stdout + done.stderr
        return done

    def call(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run ``tiltyard`` in this process: the same output as ``run``, without the seconds that imports take.

        For what a test needs and does not show; what is about processes, signals or the environment needs ``run``.
        """
        out, err, code = io.StringIO(), io.StringIO(), 0
        mlflow_env.configure_mlflow()  # what it sets for MLflow's import is to stay when the environment is as before
        clean = mock.patch.dict(os.environ, mlflow_env.DEFAULTS | environment(), clear=True)
        with contextlib.chdir(self.root), clean, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                main(words)
            except SystemExit as left:
                code = left.code if isinstance(left.code, int) else 0
        if check:
            assert code == 0, out.getvalue() + err.getvalue()
        return subprocess.CompletedProcess(words, code, out.getvalue(), err.getvalue())

    def call_json(self, *words: str) -> object:
        """Run a command in this process with ``--json`` and read its output."""
        end = words.index("--") if "--" in words else len(words)
        return json.loads(self.call(*words[:end], "--json", *words[end:]).stdout)

    def json(self, *words: str) -> object:
        """Run a command with ``--json`` and read its output."""
        return json.loads(self.run(*words, "--json").stdout)


def environment() -> dict[str, str]:
    """This process's environment without settings that point elsewhere."""
    left_out = ("TILTYARD_", "MLFLOW_", "PREFECT_")
    return {name: value for name, value in os.environ.items() if not name.startswith(left_out)}


def make_films(root: Path, rows: int = 600, project: str = PROJECT, store: Path | None = None) -> Films:
    """A project with the first rows of the shipped reviews; with ``store``, a copy of it is its MLflow store."""
    root.mkdir(parents=True, exist_ok=True)
    with REVIEWS.open(encoding="utf-8", newline="") as source:
        lines = list(csv.reader(source))
    with (root / "reviews.csv").open("w", encoding="utf-8", newline="") as target:
        csv.writer(target).writerows(lines[: rows + 1])
    (root / "tiltyard.toml").write_text(project, encoding="utf-8")
    if store is not None:
        (root / ".tiltyard").mkdir()
        shutil.copyfile(store, root / ".tiltyard" / "mlflow.db")
    return Films(root)


@contextlib.contextmanager
def serving(
    films: Films, *words: str, fresh: bool = False, **variables: str
) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A server of the project in a new process, with options and variables of its environment: address and process."""
    process = fork_server.popen(
        [sys.executable, "-m", "tiltyard", "serve", "--json", *words],
        cwd=films.root,
        env={**environment(), **variables},
        stdout=subprocess.PIPE,
        fresh=fresh,
    )
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())["url"], process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait(timeout=90)
        if process.stdout is not None:
            process.stdout.close()
