"""``tiltyard train``: from labelled rows to a registered version."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from tiltyard import app_wiring, wiring
from tiltyard.cli.main import EXIT_NO
from tiltyard.cli.options import json_option, project_option
from tiltyard.cli.output import Terminal, console, print_json
from tiltyard.cli.progress import ConsoleRunner
from tiltyard.pipeline import TrainingOutcome, TrainingRequest
from tiltyard.pipeline import train as run_training
from tiltyard.project import load_project
from tiltyard.redact import without_password

HEADLINE = ("accuracy", "f1", "precision", "recall")


@click.command()
@project_option
@click.option("--champion", is_flag=True, help="Let the version challenge the champion; it is promoted if it wins.")
@click.option("--candidate", "candidates", multiple=True, help="Recipe to train instead of the project's; repeatable.")
@click.option("--accept-data", is_flag=True, help="Train even where the data breaks the limits of the project.")
@click.option(
    "--from-version",
    default=None,
    metavar="VERSION",
    help="Train a version (number or alias) again: its recipe, on exactly the rows that it saw.",
)
@json_option
def train(
    project_path: Path | None,
    champion: bool,
    candidates: tuple[str, ...],
    accept_data: bool,
    from_version: str | None,
    as_json: bool,
) -> int:
    """Train a version, register it, and promote it if asked.

    Exit code 3 when --champion was asked for and the version was not promoted.
    """
    project = load_project(project_path)
    settings = wiring.load_settings(project)
    watched = Terminal(stderr=True) if as_json else console
    if not as_json:
        rows = f"the rows of version {from_version}" if from_version else without_password(project.data.source)
        console.print(f"Starting training flow with data: {rows}")
    with wiring.open_ledger(settings) as ledger:
        request = TrainingRequest(
            promote=champion, candidates=candidates, accept_data=accept_data, from_version=from_version
        )
        flows = app_wiring.build_flow_runner(project, settings, ConsoleRunner(watched))
        tracker, workspace = (
            wiring.open_tracker(project, settings),
            app_wiring.open_workspace(settings, ledger, project),
        )
        outcome = flows.run(
            "training",
            lambda: run_training(project, tracker, workspace, flows.runner, request),
            lambda done: done.to_markdown(),
        )
    if as_json:
        print_json(outcome.to_dict())
    else:
        _render(outcome)
    sys.stdout.flush()
    return EXIT_NO if outcome.promotion and not outcome.promotion.promoted else 0


def _render(outcome: TrainingOutcome) -> None:
    metrics = outcome.trial.evaluation.metrics
    console.print(f"\nMLflow run ID: {outcome.run_id}\nRegistered model version: {outcome.version.version}\n")
    console.print(outcome.trial.evaluation.report)
    console.print("=" * 50 + "\nTraining completed!\n" + "=" * 50)
    console.print(f"Run ID: {outcome.run_id}\nMetrics:")
    for name in HEADLINE:
        if name in metrics:
            console.print(f"  {name}: {metrics[name]:.4f}")
    console.print(f"Model version: {outcome.version.version}")
    if outcome.promotion is not None:
        console.print(f"Status: {outcome.promotion.status}")
    else:
        console.print("Status: Registered (add --champion to let it challenge the champion)")
