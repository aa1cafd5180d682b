"""A table that is scored every night, as a story: seven nights, drift in the fifth, late labels, a new champion.

A shop scores the orders of each day at night: which of them will be returned. Each night a file arrives and is scored
once; labels come a day late, by the customer's key. In the fifth night orders of a new market arrive: the run says so.
When enough labels are there, a version is trained, wins against the champion, and scores the eighth night. Every step
is a command that you can run, and every figure is measured.

    python examples/batch_story.py                the story
    python examples/batch_story.py --json         the facts as one JSON document at the end, and no story
    python examples/batch_story.py --rows 20000   larger nights
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.table import Table
from story import ExampleProject, Narrator

PROJECT = """
[project]
name = "returns"
task = "tabular-classification"
[data]
source = "train.csv"
label = "returned"
positive = "yes"
ignore = ["order"]
[training]
candidates = ["gradient-boosting"]
schedule = "{labels} new labels"
[promotion]
rule = "significant"
[response]
cooldown_minutes = 0
[batch]
key = "order"
columns = ["order"]
record = "all"
settle_seconds = 0
[batch.nights]
source = "orders/night-*.parquet"
target = "scores/{{name}}.parquet"
schedule = "new files"
"""
NIGHTS, DRIFT = 7, 5
LABELLED = 6
"""Nights whose labels are there when the training is due: those of the drift among them."""


def make_orders(rows: int, seed: int, *, new: bool = False) -> pd.DataFrame:
    """Orders and whether they are returned. In the new market they are dearer, and the cheap ones come back."""
    random = np.random.default_rng(seed)
    amount = random.normal(75 if new else 40, 10, rows).round(2)
    plan = random.choice(["basic", "plus"], rows)
    score = (75 - amount) / 5 - 2.0 * (plan == "plus") if new else (amount - 40) / 5 + 1.5 * (plan == "plus") - 0.75
    return pd.DataFrame(
        {
            "order": [f"{seed}-{number}" for number in range(rows)],
            "amount": amount,
            "plan": plan,
            "items": random.integers(1, 6, rows),
            "returned": np.where(random.random(rows) < 1 / (1 + np.exp(-score)), "yes", "no"),
        }
    )


def run_story(narrator: Narrator, root: Path, rows: int) -> dict[str, Any]:
    """Run the story and return its facts."""
    example = ExampleProject(root, narrator)
    for folder in ("orders", "scores", "labels"):
        (root / folder).mkdir()
    make_orders(3 * rows, 1).to_csv(root / "train.csv", index=False)
    (root / "tiltyard.toml").write_text(PROJECT.format(labels=LABELLED * rows), encoding="utf-8")
    narrator.chapter(1, "A champion", f"{3 * rows:,} orders train a classifier.")
    trained = example.run("train", "--champion")
    narrator.facts["trained"] = {"version": trained["model_version"], "accuracy": trained["metrics"]["accuracy"]}
    narrator.say(
        f"Version {trained['model_version']}: {trained['metrics']['accuracy']:.1%} of held-out orders correct."
    )
    narrator.chapter(2, "Seven nights", "Each night a file arrives and is scored once; labels come a day late.")
    narrator.facts["nights"] = []
    trainings: list[Any] = []
    for night in range(1, NIGHTS + 1):
        _score_night(example, night, rows)
        if night > 1:
            _import_labels(example, night - 1, rows)
            trainings.append(example.run("retrain", "--if-due"))
            narrator.say(f"Training: {trainings[-1]['text']}")
    narrator.facts["trainings"] = [one["outcome"] for one in trainings]
    narrator.chapter(3, "The eighth night", "The version that learned from the labels is champion by now.")
    _score_night(example, NIGHTS + 1, rows)
    _show_history(example)
    return narrator.facts


def _score_night(example: ExampleProject, night: int, rows: int) -> None:
    narrator = example.narrator
    orders = make_orders(rows, 100 + night, new=night >= DRIFT)
    orders.drop(columns="returned").to_parquet(example.root / "orders" / f"night-{night}.parquet", index=False)
    scored = example.run("score", "nights")
    again = example.run("score", "nights")
    (result,) = scored["results"]
    predicted = pd.read_parquet(example.root / "scores" / f"night-{night}.parquet")
    joined = orders.merge(predicted, on="order", validate="one_to_one")
    accuracy = float((joined["returned"] == joined["prediction"]).mean())
    narrator.facts["nights"].append(
        {
            "night": night, "version": result["version"], "rows": len(predicted), "accuracy": accuracy,
            "found": sorted({found["code"] for found in result["alarms"]}), "again": again["outcome"],
        }
    )  # fmt: skip
    narrator.say(
        f"Night {night}: {len(predicted):,} orders by version {result['version']}, {accuracy:.1%} correct "
        "(which only this story knows)."
    )
    for found in result["alarms"][:3]:
        narrator.say(f"  [yellow]•[/yellow] {found['message']}")


def _import_labels(example: ExampleProject, night: int, rows: int) -> None:
    orders = make_orders(rows, 100 + night, new=night >= DRIFT)
    file = example.root / "labels" / f"night-{night}.csv"
    orders[["order", "returned"]].to_csv(file, index=False)
    example.run("feedback", "import", str(file), "--key-column", "order", "--label-column", "returned")


def _show_history(example: ExampleProject) -> None:
    narrator = example.narrator
    narrator.chapter(4, "The runs", "Each run is in the ledger, and each decision is an event, chained by hash.")
    runs = example.run("predictions", "runs")
    whole = example.run("history", "--verify")
    narrator.facts["runs"] = [{"source": one["source"], "rows": one["rows"], "refused": one["refused"]} for one in runs]
    narrator.facts["whole"] = whole["whole"]
    narrator.facts["kinds"] = [event["kind"] for event in example.run("history")]
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("source", "version", "rows", "found"):
        table.add_column(column)
    for one in reversed(runs):
        found = {str(alarm["code"]) for alarm in one["evidence"].get("alarms", ())}
        table.add_row(one["source"], one["version"], f"{one['rows']:,}", ", ".join(sorted(found)) or "nothing")
    if not narrator.quiet:
        narrator.console.print(table)


def main() -> int:
    """Run the story."""
    for name in [name for name in os.environ if name.startswith(("TILTYARD_", "MLFLOW_", "PREFECT_"))]:
        del os.environ[name]  # the story uses a separate folder
    parser = argparse.ArgumentParser(description="A table that is scored every night, as a story.")
    parser.add_argument("--rows", type=int, default=2000, help="orders of a night")
    parser.add_argument("--json", action="store_true", help="the facts as JSON, and no story")
    given = parser.parse_args()
    narrator = Narrator(quiet=given.json)
    logging.getLogger("tiltyard.notices").addHandler(logging.NullHandler())  # alerts are read from the outbox
    logging.getLogger("tiltyard.notices").propagate = False
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="tiltyard-story-") as folder:
        facts = run_story(narrator, Path(folder), given.rows)
    facts["seconds"] = round(time.monotonic() - started, 1)
    if given.json:
        print(json.dumps(facts, indent=2))
    else:
        nights = facts["nights"]
        narrator.console.print(
            f"\n{nights[DRIFT - 1]['accuracy']:.1%} in the fifth night, [bold]{nights[-1]['accuracy']:.1%}[/bold] in "
            f"the eighth by version {nights[-1]['version']}, in {facts['seconds']:.0f} seconds."
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
