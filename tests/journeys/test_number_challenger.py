"""A challenger of numbers next to the champion: in the shadow and in a part of the traffic, decided by labels."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest

from tests.project_env import ProjectEnv
from tests.rents import make_rents, open_rents
from tests.serving.interfaces import Running
from tiltyard.evaluation.sequential_test import LiveVerdict
from tiltyard.project import Project, ServingSection
from tiltyard.promotion.ab_test import evaluate_ab_test
from tiltyard.promotion.manual_change import point_alias
from tiltyard.serving.server import ModelServer, ServerBackends

SECONDS = 60


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory, fresh_store: Path) -> Iterator[ProjectEnv]:
    """A champion of rents that learned from few rows, and a challenger that learned from all."""
    root = tmp_path_factory.mktemp("two")
    with open_rents(root, fresh_store) as env:
        make_rents(60, seed=3).assign(size=lambda rows: rows["size"].sample(frac=1, random_state=0).to_numpy()).to_csv(
            root / "rents.csv", index=False
        )
        first = env.train(promote=True)
        point_alias(
            env.workspace, env.project.model_name, version=first.version.version, alias="champion", reason="test"
        )
        make_rents().to_csv(root / "rents.csv", index=False)
        second = env.train()
        point_alias(
            env.workspace, env.project.model_name, version=second.version.version, alias="challenger", reason="test"
        )
        yield env


@contextmanager
def serve(env: ProjectEnv, root: Path, challenger: dict[str, Any]) -> Iterator[httpx.Client]:
    """Both versions behind a server."""
    backends = ServerBackends(env.workspace.registry, env.workspace.ledger, root / "served", ())
    options = ServingSection.model_validate({"port": 0, "challenger": challenger})
    running = Running(ModelServer(env.project.model_name, options=options, backends=backends))
    try:
        with httpx.Client(base_url=running.url, timeout=SECONDS) as client:
            yield client
    finally:
        running.stop()


def with_challenger(project: Project, challenger: dict[str, Any]) -> Project:
    """The project with a challenger that predicts so."""
    serving = ServingSection.model_validate({"challenger": challenger})
    return project.model_copy(update={"serving": serving})


def send(client: httpx.Client, rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Predict each flat by a separate request, and report its rent afterwards."""
    plain = rows.astype(object).where(rows.notna(), None).to_dict(orient="records")
    predicted = []
    for row in plain:
        rent = row.pop("rent")
        response = client.post("/predict", json={"features": row})
        assert response.status_code == 200, response.text
        predicted.append(response.json())
        label = {"prediction_id": predicted[-1]["prediction_id"], "label": rent}
        assert client.post("/feedback", json=label).json()["accepted"] == 1
    return predicted


def evaluate(env: ProjectEnv, challenger: dict[str, Any]) -> LiveVerdict:
    """What ``tiltyard challenge`` says."""
    project = with_challenger(env.project, challenger)
    return evaluate_ab_test(project, env.workspace.registry, env.workspace.ledger, "tester").verdict


def test_the_shadow_of_numbers_is_compared_row_by_row(two: ProjectEnv, tmp_path: Path) -> None:
    """Clients see the champion's numbers alone; the challenger's are recorded, compared with the labels, and win."""
    with serve(two, tmp_path, {"mode": "shadow"}) as client:
        predicted = send(client, make_rents(120, seed=21))
        assert {row["model_version"] for row in predicted} == {"1"}
        deadline = time.monotonic() + SECONDS
        while len(shadows := list(two.workspace.ledger.predictions(route="shadow"))) < 120:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    assert all(row.interval is not None and row.confidence is None for row in shadows)
    found = evaluate(two, {"mode": "shadow"})
    assert found.decision == "challenger wins", found.summary
    assert (found.champion_rows, found.champion_units, found.left_out) == (120, 120, 0)
    assert found.cap == pytest.approx(3 * two.workspace.registry.champion(two.project.model_name).metrics["mae"])  # type: ignore[union-attr]
    assert 0 < found.low < (found.difference or 0.0) < found.high


def test_split_traffic_of_numbers_is_compared_by_requests(two: ProjectEnv, tmp_path: Path) -> None:
    """Each version predicts its own requests, with intervals; the labels decide for the nearer one."""
    with serve(two, tmp_path, {"mode": "split", "share": 0.5}) as client:
        predicted = send(client, make_rents(200, seed=22))
    assert {row["model_version"] for row in predicted} == {"1", "2"}
    found = evaluate(two, {"mode": "split", "share": 0.5})
    assert found.decision == "challenger wins", found.summary
    assert found.champion_rows + found.challenger_rows == 200
    assert (found.metric, found.mode) == ("mae", "split")
