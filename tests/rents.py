"""A project that predicts the rents of flats, and a project of numbers that texts decide."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd

from tests.films import Films
from tests.project_env import ProjectEnv
from tiltyard.ledger import SqlLedger
from tiltyard.pipeline import Workspace
from tiltyard.registry import MlflowRegistry

TABLE = """
[project]
name = "rents"
task = "tabular-regression"
[data]
source = "rents.csv"
label = "rent"
slices = ["town"]
[training]
candidates = ["{candidate}"]
"""


def make_rents(rows: int = 600, seed: int = 0) -> pd.DataFrame:
    """Flats whose rent follows from size and town, with skewed errors."""
    random = np.random.default_rng(seed)
    size = random.uniform(20, 150, rows).round(1)
    town = random.choice(["York", "Hull"], rows)
    rent = 200 + 9 * size + 300 * (town == "York") + random.exponential(60, rows)
    gaps = random.random(rows) < 0.05
    return pd.DataFrame(
        {"size": np.where(gaps, np.nan, size), "town": town, "noise": random.normal(size=rows), "rent": rent.round(2)}
    )


@contextmanager
def open_rents(root: Path, store: Path) -> Iterator[ProjectEnv]:
    """The project in a folder, with a copy of an MLflow store, and no version yet."""
    (root / "tiltyard.toml").write_text(TABLE.format(candidate="ridge"), encoding="utf-8")
    make_rents().to_csv(root / "rents.csv", index=False)
    uri = f"sqlite:///{shutil.copyfile(store, root / 'mlflow.db')}"
    with SqlLedger.open(f"sqlite:///{root / 'ledger.db'}") as ledger:
        workspace = Workspace(MlflowRegistry(tracking_uri=uri), ledger, root / "cache", (), "tester")
        yield ProjectEnv(Films(root), workspace, uri)
