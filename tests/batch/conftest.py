"""A shop with a champion, in files, for all tests of batch runs."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.films import Films
from tests.project_env import ProjectEnv
from tiltyard.batch.plan import ScoreRequest
from tiltyard.batch.results import ScoreResult
from tiltyard.batch.run import RunOptions, ScoreJob, score_table
from tiltyard.batch.targets.choose_target import choose_target
from tiltyard.ledger import SqlLedger
from tiltyard.pipeline import Workspace
from tiltyard.project import Project
from tiltyard.registry import MlflowRegistry
from tiltyard.settings import Settings

PROJECT = """
[project]
name = "shop"
task = "tabular-classification"
[data]
source = "shop.csv"
label = "returned"
ignore = ["customer"]
[training]
candidates = ["logreg"]
[batch]
key = "customer"
fragment_rows = 1000
"""


def make_rows(rows: int, seed: int, shift: float = 0.0) -> pd.DataFrame:
    """Orders whose return follows from amount and plan; a shift moves the amounts."""
    random = np.random.default_rng(seed)
    amount = random.normal(40 + shift, 10, rows).round(2)
    plan = random.choice(["basic", "plus"], rows)
    chance = 1 / (1 + np.exp(-((amount - 40) / 6 + (plan == "plus"))))
    return pd.DataFrame(
        {
            "customer": [f"c{seed}-{number}" for number in range(rows)],
            "amount": np.where(random.random(rows) < 0.03, np.nan, amount),
            "plan": plan,
            "new": random.random(rows) < 0.3,
            "returned": np.where(random.random(rows) < chance, "yes", "no"),
        }
    )


@dataclass(frozen=True)
class Shop:
    """The shop's project and stores, and a folder for the tables of a test."""

    env: ProjectEnv
    settings: Settings
    folder: Path

    @property
    def project(self) -> Project:
        """The project file."""
        return self.env.project

    @property
    def ledger(self) -> SqlLedger:
        """The ledger."""
        assert isinstance(self.env.workspace.ledger, SqlLedger)
        return self.env.workspace.ledger

    def write(self, name: str, frame: pd.DataFrame, group: int = 1000) -> Path:
        """Write a table in row groups."""
        path = self.folder / name
        pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), path, row_group_size=group)
        return path

    def make_job(self, source: str, target: str, table: str | None = None, **request: Any) -> ScoreJob:
        """A job as the command makes it."""
        named: dict[str, str] = {name: request.pop(name) for name in ("query", "table") if name in request}
        requested = ScoreRequest(source, target, key="customer", fragment_rows=1000)
        place = choose_target(target, table, self.folder, self.settings)
        return ScoreJob(self.project, self.settings, source, replace(requested, **request), place, named)

    def score(self, source: str | Path, target: str | Path, table: str | None = None, **request: Any) -> ScoreResult:
        """Score a table in this process."""
        options = request.pop("options", RunOptions(workers=1))
        return score_table(self.make_job(str(source), str(target), table, **request), options)


@pytest.fixture(scope="module")
def shop_env(tmp_path_factory: pytest.TempPathFactory, fresh_store: Path) -> Iterator[ProjectEnv]:
    root = tmp_path_factory.mktemp("shop")
    (root / "tiltyard.toml").write_text(PROJECT, encoding="utf-8")
    make_rows(1500, 1).to_csv(root / "shop.csv", index=False)
    uri = f"sqlite:///{shutil.copyfile(fresh_store, root / 'mlflow.db')}"
    with SqlLedger.open(f"sqlite:///{root / 'ledger.db'}") as ledger:
        workspace = Workspace(MlflowRegistry(tracking_uri=uri), ledger, root / "cache", (), "tester")
        env = ProjectEnv(Films(root), workspace, uri)
        env.train(promote=True)
        yield env


@pytest.fixture
def shop(shop_env: ProjectEnv, tmp_path: Path) -> Shop:
    root = shop_env.films.root
    settings = Settings(
        root=root,
        home=root / "state",
        ledger=f"sqlite:///{root / 'ledger.db'}",
        mlflow_tracking_uri=shop_env.tracking_uri,
    )
    return Shop(shop_env, settings, tmp_path)
