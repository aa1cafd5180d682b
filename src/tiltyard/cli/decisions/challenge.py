"""``tiltyard challenge``: evaluate the live A/B test of champion and challenger."""

from __future__ import annotations

from pathlib import Path

import click

from tiltyard.cli.current_ledger import open_current_ledger
from tiltyard.cli.main import EXIT_NO
from tiltyard.cli.options import json_option, model_option, project_option
from tiltyard.cli.output import console, print_json
from tiltyard.cli.progress import announce_step
from tiltyard.cli.versions.find_project import find_project


@click.command()
@project_option
@model_option
@json_option
def challenge_command(project_path: Path | None, model_name: str | None, as_json: bool) -> int:
    """Evaluate the live A/B test of champion and challenger on the labels so far.

    The test is sequential: it stays valid however often you run it. Exit code 3 means that the champion holds. The
    decision is recorded in the history; to act on it: tiltyard promote VERSION.
    """
    from tiltyard import wiring
    from tiltyard.promotion.ab_test import evaluate_ab_test

    project = find_project(project_path, model_name)
    settings = wiring.load_settings(project)
    with open_current_ledger(settings) as ledger:
        announce_step("reading predictions and labels")
        found = evaluate_ab_test(project, wiring.open_registry(settings), ledger, wiring.current_actor())
    if as_json:
        print_json(found.to_dict())
    else:
        console.print(f"{project.model_name}: version {found.challenger} against champion {found.champion}")
        console.print(found.verdict.summary)
        if found.verdict.decision == "challenger wins":
            console.print(f" next: tiltyard promote {found.challenger}")
    return EXIT_NO if found.verdict.decision == "champion holds" else 0
