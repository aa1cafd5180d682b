"""The whole loop for numbers, as a story: rents are predicted with intervals, the market changes, the model follows.

A regressor learns the rents of flats and is served. Flats like those arrive, and nothing happens. Then larger, newer
flats arrive, which cost more for each square metre: the drift is found, rents are reported, the errors rose, a
challenger is trained, wins and serves. Then someone sets a version by hand that learned rents by the week, and it is
rolled back. Every step is a command that you can run, and every figure is measured.

    python examples/number_story.py          the story
    python examples/number_story.py --json   the facts as one JSON document at the end, and no story
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from story import ExampleProject, Narrator

PROJECT = """
[project]
name = "rents"
task = "tabular-regression"
[data]
source = "train.csv"
label = "rent"
slices = ["town"]
[training]
candidates = ["gradient-boosting-regressor"]
[serving]
port = 0
reload_seconds = 0.2
[monitoring]
min_rows = 50
[response]
on_drift = "retrain"
on_estimate = "alert"
on_decay = "retrain"
on_bad_champion = "rollback"
min_new_labels = 150
cooldown_minutes = 0
"""
ROWS_OF_A_REQUEST = 5  # rows of one request may depend on each other: evidence counts requests
WEEKS_OF_A_MONTH = 52 / 12


def make_flats(rows: int, seed: int, *, new: bool = False) -> pd.DataFrame:
    """Flats with their rents by the month; new ones are larger, and cost more for each square metre."""
    random = np.random.default_rng(seed)
    size = random.uniform(70, 180, rows) if new else random.uniform(25, 120, rows)
    town = random.choice(["York", "Hull", "Leeds"], rows, p=[0.3, 0.3, 0.4])
    floor = random.integers(0, 6, rows)
    price = np.where(new, 17.0, 10.0) + 3.0 * (town == "York") - 1.5 * (town == "Hull")
    rent = 150 + price * size + 12 * floor + random.gamma(2.0, 25.0, rows)
    return pd.DataFrame({"size": size.round(1), "town": town, "floor": floor, "rent": rent.round(2)})


def tell_story(narrator: Narrator, root: Path) -> dict[str, Any]:
    """Tell the story and return its facts."""
    example = ExampleProject(root, narrator)
    make_flats(1500, 1).to_csv(root / "train.csv", index=False)
    (root / "tiltyard.toml").write_text(PROJECT, encoding="utf-8")
    _train_champion(example)
    with example.serving():
        _serve_known_flats(example)
        _serve_new_flats(example)
        _set_bad_version(example)
    events = example.run("history")
    narrator.facts["history"] = {
        "kinds": [event["kind"] for event in events],
        "whole": example.run("history", "--verify")["whole"],
    }
    return narrator.facts


def _train_champion(example: ExampleProject) -> None:
    example.narrator.chapter(1, "A champion", "1,500 flats train a regressor; its intervals are to hold 90 % of rents.")
    trained = example.run("train", "--champion")
    metrics = trained["metrics"]
    example.narrator.facts["trained"] = {"version": trained["model_version"], "mae": metrics["mae"]}
    example.narrator.say(
        f"Version {trained['model_version']} misses held-out rents by {metrics['mae']:.0f} on average."
    )


def _serve_known_flats(example: ExampleProject) -> None:
    example.narrator.chapter(2, "Quiet days", "300 flats like those arrive; then the loop monitors the champion.")
    flats = make_flats(300, 2)
    predictions = _predict(example, flats)
    held = _count_held(flats, predictions)
    iteration = example.run("loop", "--once")
    estimate = _estimate(example)
    example.narrator.facts["quiet"] = {
        "mae": _miss(flats, predictions),
        "coverage": held,
        "found": _codes(iteration),
        "estimate": estimate["value"],
        "estimate_interval": estimate["interval"],
    }
    example.narrator.say(
        f"They are missed by {_miss(flats, predictions):.0f}, and {held:.0%} are inside of their intervals (which only "
        f"this story knows). Without any label the loop estimates {estimate['value']:.0f}."
    )


def _serve_new_flats(example: ExampleProject) -> None:
    example.narrator.chapter(3, "Another market", "400 larger flats arrive, which cost more for each square metre.")
    flats = make_flats(400, 3, new=True)
    predictions = _predict(example, flats)
    iteration = example.run("loop", "--once")
    for found in iteration["found"][:4]:
        example.narrator.say(f"[yellow]•[/yellow] {found['message']}")
    example.narrator.facts["new"] = {
        "mae": _miss(flats, predictions),
        "coverage": _count_held(flats, predictions),
        "found": _codes(iteration),
        "actions": _actions(iteration),
    }
    example.narrator.chapter(4, "Rents are reported", "The flats were let, and their rents are labels.")
    _report(example, flats, predictions)
    iteration = example.run("loop", "--once")
    example.narrator.say(_outcome(iteration))
    champion = str(example.run("model-info")["version"])
    example.wait_for_version(champion)
    fresh = make_flats(300, 4, new=True)
    again = _predict(example, fresh)
    example.narrator.facts["retrained"] = {
        "champion": champion,
        "found": _codes(iteration),
        "actions": _actions(iteration),
        "mae": _miss(fresh, again),
        "coverage": _count_held(fresh, again),
    }
    example.narrator.say(
        f"Version {champion} serves. Fresh flats are missed by [bold]{_miss(fresh, again):.0f}[/bold], and "
        f"{_count_held(fresh, again):.0%} are inside of their intervals."
    )


def _set_bad_version(example: ExampleProject) -> None:
    example.narrator.chapter(5, "A bad version", "Someone trains on rents by the week, and makes the version champion.")
    other = example.root / "hurry"
    other.mkdir()
    weekly = make_flats(1500, 5).assign(rent=lambda flats: (flats["rent"] / WEEKS_OF_A_MONTH).round(2))
    weekly.to_csv(other / "train.csv", index=False)
    (other / "tiltyard.toml").write_text(PROJECT, encoding="utf-8")
    os.environ["TILTYARD_HOME"] = str(example.root / ".tiltyard")  # the same registry
    made = example.run("train", project=other)
    del os.environ["TILTYARD_HOME"]
    bad, good = str(made["model_version"]), example.narrator.facts["retrained"]["champion"]
    example.run("set-alias", "--version", bad, "--alias", "champion", "--reason", "it is urgent")
    example.wait_for_version(bad)
    flats = make_flats(120, 6)
    predictions = _predict(example, flats)
    _report(example, flats, predictions)
    iteration = example.run("loop", "--once")
    example.narrator.say(_outcome(iteration))
    example.wait_for_version(good)
    healed = _miss(flats, _predict(example, flats))
    example.narrator.facts["bad"] = {
        "version": bad,
        "mae": _miss(flats, predictions),
        "actions": _actions(iteration),
        "mae_after": healed,
    }
    example.narrator.say(f"Version {good} serves again: rents are missed by {healed:.0f}.")


def _predict(example: ExampleProject, flats: pd.DataFrame) -> list[dict[str, Any]]:
    rows = flats.drop(columns="rent").to_dict(orient="records")
    predictions: list[dict[str, Any]] = []
    for start in range(0, len(rows), ROWS_OF_A_REQUEST):
        some = rows[start : start + ROWS_OF_A_REQUEST]
        predictions += example.post("/predict/batch", {"instances": some})["predictions"]
    return predictions


def _report(example: ExampleProject, flats: pd.DataFrame, predictions: Sequence[dict[str, Any]]) -> None:
    labels = [
        {"prediction_id": prediction["prediction_id"], "label": rent}
        for prediction, rent in zip(predictions, flats["rent"].tolist(), strict=True)
    ]
    accepted = example.post("/feedback", {"labels": labels})["accepted"]
    example.narrator.say(f"POST /feedback: {accepted:,} rents.")


def _miss(flats: pd.DataFrame, predictions: Sequence[dict[str, Any]]) -> float:
    """Mean absolute error."""
    return float(np.mean(np.abs(flats["rent"].to_numpy() - [one["prediction"] for one in predictions])))


def _count_held(flats: pd.DataFrame, predictions: Sequence[dict[str, Any]]) -> float:
    """The share of the rents that are inside of their intervals."""
    ends = np.array([one["interval"] for one in predictions], dtype=np.float64)
    rents = flats["rent"].to_numpy()
    return float(np.mean((ends[:, 0] <= rents) & (rents <= ends[:, 1])))


def _estimate(example: ExampleProject) -> Any:
    """The champion's error on the window, estimated without labels."""
    return example.run("monitor", "--no-record")["estimate"]["metrics"]["mae"]


def _codes(iteration: Any) -> list[str]:
    return [found["code"] for found in iteration["found"]]


def _actions(iteration: Any) -> list[str]:
    return [action["kind"] for action in iteration["response"]["actions"]]


def _outcome(iteration: Any) -> str:
    actions = iteration["response"]["actions"]
    summary = " ".join(action["summary"] for action in actions) or iteration["response"]["decision"]["reason"]
    return f"[bold]Loop:[/bold] {summary}"


def main() -> int:
    """Run the story."""
    for name in [name for name in os.environ if name.startswith(("TILTYARD_", "MLFLOW_", "PREFECT_"))]:
        del os.environ[name]  # the story uses a separate folder
    parser = argparse.ArgumentParser(description="The whole loop for numbers, as a story.")
    parser.add_argument("--json", action="store_true", help="the facts as JSON, and no story")
    arguments = parser.parse_args()
    narrator = Narrator(quiet=arguments.json)
    logging.getLogger("tiltyard.notices").addHandler(logging.NullHandler())  # alerts are read from the outbox
    logging.getLogger("tiltyard.notices").propagate = False
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="tiltyard-story-") as folder:
        facts = tell_story(narrator, Path(folder))
    facts["seconds"] = round(time.monotonic() - started, 1)
    if arguments.json:
        print(json.dumps(facts, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
