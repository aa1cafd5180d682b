"""``tiltyard label``: which answers to label next, and the labels back."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import pandas as pd

from tiltyard import wiring
from tiltyard.cli.current_ledger import open_current_ledger
from tiltyard.cli.labels.feedback import import_file
from tiltyard.cli.options import json_option, project_option
from tiltyard.cli.output import console, print_json, print_table, say
from tiltyard.data import load_dataset
from tiltyard.errors import DataError, UsageError
from tiltyard.monitoring.labels.labeling_queue import (
    DEFAULT_MIX,
    DRIFTED,
    RANDOM,
    UNCERTAIN,
    LabelCandidate,
    LabelingRequest,
    label_queue,
)
from tiltyard.project import Project, load_project

_SHOWN = 60


@click.group()
def label() -> None:
    """Choose the predictions most worth labelling, and read the labels back."""


@label.command()
@project_option
@click.option("--size", type=click.IntRange(min=1), default=100, show_default=True, help="How many are wanted.")
@click.option("--to", "target", type=click.Path(path_type=Path), default=None, help="File to write: .csv or .jsonl.")
@click.option(
    "--uncertain", type=float, default=DEFAULT_MIX[UNCERTAIN], show_default=True, help="Weight of the unsure."
)
@click.option(
    "--drifted", type=float, default=DEFAULT_MIX[DRIFTED], show_default=True, help="Weight of the unfamiliar."
)
@click.option(
    "--random", "by_chance", type=float, default=DEFAULT_MIX[RANDOM], show_default=True, help="Weight of any."
)
@click.option("--days", type=float, default=None, help="Only answers of the last days.  [default: all]")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the random ones.")
@json_option
def queue(
    project_path: Path | None,
    size: int,
    target: Path | None,
    uncertain: float,
    drifted: float,
    by_chance: float,
    days: float | None,
    seed: int,
    as_json: bool,
) -> None:
    """Choose the predictions most worth labelling.

    With --to they are written to a file with an empty column 'label'. Fill it in, and read it back with: tiltyard label
    import FILE
    """
    if target is not None and target.suffix not in (".csv", ".jsonl"):
        raise UsageError(f"{target} ends in {target.suffix!r}.", next_step="Name a .csv or a .jsonl file.")
    since = None if days is None else datetime.now(UTC) - timedelta(days=days)
    wish = LabelingRequest(size, {UNCERTAIN: uncertain, DRIFTED: drifted, RANDOM: by_chance}, since, seed)
    project = load_project(project_path)
    reference, trouble = _reference(project) if drifted > 0 else (None, "")
    with open_current_ledger(wiring.load_settings(project)) as ledger:
        wanted = label_queue(ledger, project.model_name, wish, reference)
    rows = [one.to_row(project.data.text) for one in wanted]
    if target is not None:
        _write(rows, target)
    if as_json:
        print_json({"file": str(target) if target else None, "not_judged": trouble, "queue": rows})
        return
    if trouble:
        say("[yellow]None was chosen for being unfamiliar: {}[/yellow]", trouble)
    if target is not None:
        say("Wrote {:,} predictions to [bold]{}[/bold]; fill in the column 'label', then:", len(rows), target)
        console.print(f"  tiltyard label import {target}")
        return
    columns = ("Prediction", "Why", "Score", "Predicted", "Confidence", "Input")
    print_table("Worth labelling", columns, map(_shown, wanted))


label.add_command(import_file)


def _reference(project: Project) -> tuple[pd.Series | pd.DataFrame | None, str]:
    """The training data's inputs, or why they cannot be had."""
    try:
        return load_dataset(project).inputs, ""
    except DataError as error:
        return None, error.message


def _write(rows: list[dict[str, Any]], target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    names = [*dict.fromkeys(name for row in rows for name in row if name != "label"), "label"]
    with target.open("w", encoding="utf-8", newline="") as file:
        if target.suffix == ".jsonl":
            file.writelines(json.dumps(row, ensure_ascii=False, default=str) + "\n" for row in rows)
            return
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(rows)


def _shown(one: LabelCandidate) -> tuple[object, ...]:
    row = one.prediction
    text = row.input["text"] if set(row.input) == {"text"} else ", ".join(f"{k} {v}" for k, v in row.input.items())
    said = " ".join(str(text).split())
    short = said if len(said) <= _SHOWN else said[: _SHOWN - 1] + "…"
    return row.id, one.reason, one.score, row.label, row.confidence, short
