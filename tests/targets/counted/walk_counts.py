"""A project that predicts counts, walked from its first champion to monitoring; prints what was found as JSON."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parents[3] / "examples"))

from story import ExampleProject, Narrator  # type: ignore[import-not-found]

from tiltyard.errors import TiltyardError

PROJECT = """
[project]
name = "visits"
task = "tabular-counting"
[data]
source = "train.csv"
label = "visits"
[training]
candidates = ["poisson", "boosted-counts"]
[serving]
port = 0
[monitoring]
min_rows = 50
"""


def make_days(rows: int, seed: int) -> pd.DataFrame:
    """Days with the number of their visits, which follows from the weather."""
    random = np.random.default_rng(seed)
    warm, place = random.uniform(0, 30, rows), random.choice(["park", "pool"], rows)
    visits = random.poisson(np.exp(0.4 + 0.05 * warm + 0.6 * (place == "pool")))
    return pd.DataFrame({"warm": warm.round(1), "place": place, "visits": visits})


def walk(root: Path) -> dict[str, Any]:
    """Each step is a command or a request."""
    example = ExampleProject(root, Narrator(quiet=True))
    make_days(600, 1).to_csv(root / "train.csv", index=False)
    (root / "tiltyard.toml").write_text(PROJECT, encoding="utf-8")
    facts: dict[str, Any] = {"trained": example.run("train", "--champion"), "info": example.run("model-info")}
    days = make_days(120, 2)
    rows = days.drop(columns="visits").to_dict(orient="records")
    with example.serving():
        predicted = [
            one
            for start in range(0, len(rows), 4)
            for one in example.post("/predict/batch", {"instances": rows[start : start + 4]})["predictions"]
        ]
        labels = [
            {"prediction_id": one["prediction_id"], "label": label}
            for one, label in zip(predicted, days["visits"].tolist(), strict=True)
        ]
        facts["refused"] = report_wrong(example, {**labels[0], "label": 2.5})
        facts["accepted"] = example.post("/feedback", {"labels": labels})["accepted"]
        facts["predicted"] = [one["prediction"] for one in predicted]
    facts["monitored"] = example.run("monitor")
    (root / "tiltyard.toml").write_text(PROJECT.replace("poisson", "lightgbm"), encoding="utf-8")
    facts["other_candidate"] = refuse_training(example)
    (root / "tiltyard.toml").write_text(PROJECT, encoding="utf-8")
    make_days(600, 1).assign(visits=lambda days: days["visits"] - 1).to_csv(root / "train.csv", index=False)
    facts["negative"] = refuse_training(example)
    return facts


def report_wrong(example: ExampleProject, label: dict[str, Any]) -> str:
    """Why a label is refused; empty where it is not."""
    try:
        example.post("/feedback", {"labels": [label]})
    except SystemExit as refused:
        return str(refused)
    return ""


def refuse_training(example: ExampleProject) -> str:
    """Why a training is refused; empty where it is not."""
    try:
        example.run("train")
    except TiltyardError as error:
        return str(error)
    return ""


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        sys.stdout.write(json.dumps(walk(Path(folder)), default=str))
