"""``tiltyard label set`` and ``tiltyard label undo``: the label of one prediction."""

from __future__ import annotations

from pathlib import Path

import click

from tiltyard.cli.current_ledger import open_current_ledger
from tiltyard.cli.options import Words, json_option, model_option, project_option
from tiltyard.cli.output import console, print_json
from tiltyard.cli.versions.find_project import find_project


@click.command("set")
@click.argument("prediction_id", type=Words())
@click.argument("label", type=Words())
@project_option
@model_option
@click.option("--source", type=Words(), default=None, help="Who says so.  [default: TILTYARD_ACTOR, or you]")
@json_option
def set_label_command(
    prediction_id: str,
    label: str,
    project_path: Path | None,
    model_name: str | None,
    source: str | None,
    as_json: bool,
) -> None:
    """Give the prediction of this id its true LABEL; it replaces an earlier one."""
    from tiltyard import wiring
    from tiltyard.monitoring.labels.manual_labels import label_prediction
    from tiltyard.tasks import TASKS

    project = find_project(project_path, model_name)
    target = TASKS[project.task].target
    with open_current_ledger(wiring.load_settings(project)) as ledger:
        by = source or wiring.current_actor()
        given = label_prediction(ledger, project.model_name, prediction_id, label, source=by, target=target)
    if as_json:
        print_json(given)
        return
    was = f" (was '{given.before}')" if given.before not in (None, given.label) else ""
    console.print(f"The label of {given.prediction_id} is '{given.label}'{was}. {given.note}".rstrip())


@click.command("undo")
@click.argument("prediction_id", type=Words())
@project_option
@model_option
@click.option("--source", type=Words(), default=None, help="Whose label it is.  [default: TILTYARD_ACTOR, or you]")
@json_option
def undo_label_command(
    prediction_id: str, project_path: Path | None, model_name: str | None, source: str | None, as_json: bool
) -> None:
    """Take back the label that you gave a prediction; the one before it counts again."""
    from tiltyard import wiring
    from tiltyard.monitoring.labels.manual_labels import undo_label

    project = find_project(project_path, model_name, quiet=True)
    with open_current_ledger(wiring.load_settings(project)) as ledger:
        actor = wiring.current_actor()
        label = undo_label(ledger, project.model_name, prediction_id, source=source or actor, actor=actor)
    if as_json:
        print_json({"prediction_id": label.prediction_id, "withdrawn": label.label, "at": label.at})
    else:
        console.print(f"The label '{label.label}' of {label.prediction_id} is taken back.")
