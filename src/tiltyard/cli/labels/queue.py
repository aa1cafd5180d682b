"""``tiltyard label``: choose predictions to label, and import the labels."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tiltyard.choices import DRIFTED_SHARE, UNCERTAIN_SHARE
from tiltyard.cli.current_ledger import open_current_ledger
from tiltyard.cli.labels.feedback import import_labels_command
from tiltyard.cli.labels.one_label import set_label_command, undo_label_command
from tiltyard.cli.options import DAY_COUNT, Number, json_option, model_option, project_option
from tiltyard.cli.output import console, print_json, print_line, print_table
from tiltyard.cli.versions.find_project import find_project
from tiltyard.cli.versions.labelled_rows import NamedRows, read_data
from tiltyard.csv_export import write_csv
from tiltyard.errors import DataError, ProjectError, UsageError
from tiltyard.files import write_atomically

if TYPE_CHECKING:
    import pandas as pd

    from tiltyard.monitoring.labels.labeling_queue import LabelCandidate
    from tiltyard.project import Project

_INPUT_WIDTH = 60


@click.group()
def label_group() -> None:
    """Choose the predictions most worth labelling, give labels one by one, and import them."""


@label_group.command()
@project_option
@model_option
@click.option("--size", type=click.IntRange(min=1), default=100, show_default=True, help="How many to choose.")
@click.option("--to", "target", type=click.Path(path_type=Path), default=None, help="File to write: .csv or .jsonl.")
@click.option(
    "--uncertain",
    type=Number(min=0),
    default=UNCERTAIN_SHARE,
    show_default=True,
    help="Weight of uncertain predictions.",
)
@click.option(
    "--drifted",
    type=Number(min=0),
    default=DRIFTED_SHARE,
    show_default=True,
    help="Weight of unfamiliar inputs.",
)
@click.option(
    "--random",
    "random_share",
    type=Number(0, 1),
    default=None,
    help="Share of random predictions.  [default: labels.random_share, 0.25]",
)
@click.option("--days", type=DAY_COUNT, default=None, help="Only predictions of the last days.  [default: all]")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of the random choice.")
@click.option("--show-predictions", is_flag=True, help="Include the predicted label, its confidence and the score.")
@json_option
def queue_command(
    project_path: Path | None,
    model_name: str | None,
    size: int,
    target: Path | None,
    uncertain: float,
    drifted: float,
    random_share: float | None,
    days: float | None,
    seed: int,
    show_predictions: bool,
    as_json: bool,
) -> None:
    """Choose the predictions most worth labelling, and some at random.

    --to writes them to a file with an empty column 'label'. Fill it in, then import it with: tiltyard label import FILE

    The ledger records why each was chosen, once they are written to a file or printed as JSON; a list on the screen
    requests nothing. All labels are trained on; only random ones, and labels that were not requested, say how good a
    model is.
    """
    from tiltyard import wiring
    from tiltyard.ledger import RANDOM
    from tiltyard.monitoring.labels.labeling_queue import QueueOptions, mix_reasons, select_predictions_to_label

    if target is not None and target.suffix not in (".csv", ".jsonl"):
        raise UsageError(f"{target} ends in {target.suffix!r}.", next_step="Name a .csv or a .jsonl file.")
    since = None if days is None else datetime.now(UTC) - timedelta(days=days)
    from tiltyard.monitoring.labels.labeling_queue import DRIFTED

    project = find_project(project_path, model_name)
    mix = mix_reasons(project.labels.random_share if random_share is None else random_share, uncertain, drifted)
    reference, problem = _load_reference(project) if mix[DRIFTED] > 0 else (None, "")
    with open_current_ledger(wiring.load_settings(project)) as ledger:
        chosen = select_predictions_to_label(
            ledger, project.model_name, QueueOptions(size, mix, since, seed), reference
        )
        rows = [one.to_row(project.data.text, show_prediction=show_predictions) for one in chosen.candidates]
        recorded = target is not None or as_json
        if recorded:
            # First of all: labels of a file whose reasons are not recorded would count as organic.
            ledger.label_requests.record(chosen.requests)
        if target is not None:
            write_atomically(target, _format(rows, target.suffix))
    if as_json:
        print_json(
            {"file": str(target) if target else None, "recorded": recorded, "not_judged": problem, "queue": rows}
        )
        return
    if problem:
        print_line("[yellow]No prediction was chosen as unfamiliar: {}[/yellow]", problem)
    if rows and mix[RANDOM] == 0:
        print_line("[yellow]No prediction was drawn at random: these labels will not say how good a model is.[/yellow]")
    if target is not None:
        print_line("Wrote {:,} predictions to [bold]{}[/bold]; fill in the column 'label', then:", len(rows), target)
        console.print(f"  tiltyard label import {target}")
        return
    columns = ("Prediction", "Why", *(("Score", "Predicted", "Confidence") if show_predictions else ()), "Input")
    print_table("Worth labelling", columns, (_to_cells(one, show_predictions) for one in chosen.candidates))
    if rows:
        print_line("This list requests no labels. To have them labelled, write them to a file: --to FILE")


label_group.add_command(import_labels_command)
label_group.add_command(set_label_command)
label_group.add_command(undo_label_command)


def _load_reference(project: Project) -> tuple[pd.Series | pd.DataFrame | None, str]:
    """The inputs of the training data, or why they cannot be loaded."""
    from tiltyard import wiring

    try:
        return read_data(project, wiring.load_settings(project), NamedRows()).dataset.inputs, ""
    except (DataError, ProjectError) as error:
        return None, error.message


def _format(rows: list[dict[str, Any]], suffix: str) -> str:
    """The content of a file of rows to label, as CSV or JSON lines."""
    if suffix == ".jsonl":
        return "".join(json.dumps(row, ensure_ascii=False, default=str) + "\n" for row in rows)
    names = [*dict.fromkeys(name for row in rows for name in row if name != "label"), "label"]
    return write_csv(names, ([row.get(name, "") for name in names] for row in rows))


def _to_cells(candidate: LabelCandidate, show_prediction: bool) -> tuple[object, ...]:
    row = candidate.prediction
    text = row.input["text"] if set(row.input) == {"text"} else ", ".join(f"{k} {v}" for k, v in row.input.items())
    line = " ".join(str(text).split())
    short = line if len(line) <= _INPUT_WIDTH else line[: _INPUT_WIDTH - 1] + "…"
    prediction = (candidate.score, row.label, row.confidence) if show_prediction else ()
    return row.id, candidate.reason, *prediction, short
