"""``tiltyard train``: train a version on the project's rows and register it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tiltyard.cli.main import EXIT_NO
from tiltyard.cli.options import json_option, project_option
from tiltyard.cli.output import Terminal, console, print_json
from tiltyard.cli.progress import ConsoleRunner
from tiltyard.cli.training.analysis_tables import print_evaluation
from tiltyard.formatting import format_count
from tiltyard.redact import without_password

if TYPE_CHECKING:
    from tiltyard.evaluation import GuessBaseline
    from tiltyard.models import SearchResult
    from tiltyard.pipeline import TrainingOutcome

HEADLINE = ("accuracy", "f1", "precision", "recall", "mae", "rmse", "r2")


@click.command()
@project_option
@click.option("--champion", is_flag=True, help="Run the gates; the version becomes champion if it passes.")
@click.option(
    "--candidate", "candidates", multiple=True, help="Candidate to train instead of the project's; repeatable."
)
@click.option("--accept-data", is_flag=True, help="Train even if the data breaks the limits of the project.")
@click.option(
    "--from-version",
    default=None,
    metavar="VERSION",
    help="Train a version (number or alias) again: the same candidate on exactly the same rows.",
)
@click.option("--join", is_flag=True, help="Help the search of another machine (TILTYARD_SEARCH_STORAGE), no more.")
@json_option
def train_command(
    project_path: Path | None,
    champion: bool,
    candidates: tuple[str, ...],
    accept_data: bool,
    from_version: str | None,
    join: bool,
    as_json: bool,
) -> int:
    """Train a version and register it; with --champion, promote it if it wins.

    With --join no version is trained: this machine tries what the search of another one, with the same rows and project
    file, has not tried yet.

    Exit code 3 when --champion is given and the version is not promoted.
    """
    from tiltyard import app_wiring, wiring
    from tiltyard.pipeline import TrainingRequest, train
    from tiltyard.pipeline.training.train import join_search
    from tiltyard.project import load_project
    from tiltyard.registry.package.skops_file import import_early

    project = load_project(project_path)
    import_early()
    settings = wiring.load_settings(project)
    progress = Terminal(stderr=True) if as_json else console
    if not as_json:
        rows = f"the rows of version {from_version}" if from_version else without_password(project.data.source)
        console.print(f"Starting training flow with data: {rows}")
    with wiring.open_ledger(settings) as ledger:
        request = TrainingRequest(
            promote=champion,
            candidates=candidates,
            accept_data=accept_data,
            from_version=from_version,
            storage=settings.search_storage,
        )
        flows = app_wiring.build_flow_runner(project, settings, ConsoleRunner(progress))
        tracker, workspace = (
            wiring.open_tracker(project, settings),
            app_wiring.open_workspace(settings, ledger, project),
        )
        if join:
            _join(join_search(project, tracker, workspace, flows.runner, request), as_json=as_json)
            return 0
        outcome = flows.run(
            "training",
            lambda: train(project, tracker, workspace, flows.runner, request),
            lambda outcome: outcome.to_markdown(),
        )
    if as_json:
        print_json(outcome.to_dict())
    else:
        _render(outcome)
    sys.stdout.flush()
    return EXIT_NO if outcome.promotion and not outcome.promotion.promoted else 0


def _join(found: SearchResult, *, as_json: bool) -> None:
    if as_json:
        print_json({"trials": [{"number": one.number, "candidate": one.candidate.name} for one in found.trials]})
    else:
        console.print(f"Tried {format_count(len(found.trials), 'trial')}; nothing is left to try.")
        console.print("Next: the machine whose search this is trains and registers the version.")


def _render(outcome: TrainingOutcome) -> None:
    metrics = outcome.trial.evaluation.metrics
    console.print("")
    console.print(outcome.trial.evaluation.report)
    print_evaluation(outcome.evaluation or outcome.trial.to_stored())
    console.print("\n" + "=" * 50 + "\nTraining completed!\n" + "=" * 50)
    console.print(f"Run ID: {outcome.run_id}\nMetrics:")
    guess = outcome.trial.guess
    for name in dict.fromkeys((*HEADLINE, guess.metric)):
        if name in metrics:
            console.print(f"  {name}: {metrics[name]:.4f}" + (_describe_guess(guess) if name == guess.metric else ""))
    console.print(f"Model version: {outcome.version.version}")
    if outcome.promotion is not None:
        console.print(f"Status: {outcome.promotion.status}")
        console.print(f"Next: {outcome.promotion.next_step}")
    else:
        console.print("Status: Registered (add --champion to compare it with the champion)")
        console.print(f"Next: tiltyard promote {outcome.version.version}")


def _describe_guess(guess: GuessBaseline) -> str:
    """The project's metric of always guessing, to hold the model's against."""
    from tiltyard.evaluation import GUESSES

    found = ", ".join(f"{value:.4f} {GUESSES[kind]}" for kind, value in guess.values.items())
    return f" (guessing: {found or 'not defined'})"
