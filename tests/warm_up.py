"""Compile the kernels once before the tests: ``python -m tests.warm_up``.

In a fresh checkout the cache of numba is empty. Without this, each process that the tests start at once would compile
the same kernels, and a command that takes a second would take half a minute.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from click.testing import CliRunner

from tests.films import make_films
from tiltyard.cli.main import cli
from tiltyard.models import CANDIDATES


def main() -> None:
    """Train a small version of each kind: training profiles its rows, and runs the compiled scorer."""
    with tempfile.TemporaryDirectory(prefix="tiltyard-warm-up-") as folder:
        films = make_films(Path(folder) / "films", rows=200)
        for candidate in ("tfidf-logreg", "nb-cnn"):
            run("train", "--candidate", candidate, "--project", str(films.root))
        table = Path(folder) / "table"
        table.mkdir()
        random = np.random.default_rng(0)
        frame = pd.DataFrame({"age": random.integers(18, 80, 300), "plan": random.choice(["basic", "pro"], 300)})
        frame.assign(churned=np.where(frame["age"] + random.normal(0, 9, 300) > 50, "yes", "no")).to_csv(
            table / "rows.csv", index=False
        )
        run("init", str(table / "rows.csv"), "--output", str(table / "tiltyard.toml"))
        for candidate in (name for name, one in CANDIDATES.items() if one.task == "tabular-classification"):
            run("train", "--candidate", candidate, "--project", str(table))


def run(*arguments: str) -> None:
    """Run a command in this process; what it prints is shown only when it fails.

    Raises:
        SystemExit: it failed; the tests would only fail later, and less clearly.
    """
    result = CliRunner().invoke(cli, arguments)
    if result.exit_code != 0:
        raise SystemExit(f"tiltyard {' '.join(arguments)}: {result.exit_code} {result.output} {result.exception}")


if __name__ == "__main__":
    main()
