"""``promote``, ``rollback`` and ``history``: decisions about versions, made and looked up."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import click

from tiltyard import wiring
from tiltyard.cli.main import EXIT_NO
from tiltyard.cli.options import json_option, model_option, project_option
from tiltyard.cli.output import console, print_json, print_table, say, when
from tiltyard.cli.times import moment
from tiltyard.data import load_dataset, split_dataset
from tiltyard.errors import NotFoundError, UnavailableError
from tiltyard.ledger import Event, Ledger
from tiltyard.pipeline import promote_version, reign_at, roll_back
from tiltyard.project import load_project
from tiltyard.registry.decisions import note_outside_changes
from tiltyard.registry.gates import COLUMNS, verdict_markdown, verdict_rows
from tiltyard.settings import Settings


@click.command()
@click.argument("version")
@project_option
@click.option("--markdown", is_flag=True, help="Print the verdict as Markdown, for a pull request.")
@json_option
def promote(version: str, project_path: Path | None, markdown: bool, as_json: bool) -> int:
    """Send a registered version through the gates; it becomes champion if it passes.

    It meets the champion on the present test rows that neither was trained on. Exit code 3 when it is refused.
    """
    project = load_project(project_path)
    settings = wiring.settings(project)
    test = split_dataset(load_dataset(project), project.split, project.data.time).test
    with wiring.ledger(settings) as ledger:
        outcome = promote_version(wiring.stage(settings, ledger, project), project, version, test)
    if as_json:
        print_json(outcome.to_dict())
    elif markdown:
        title = f"{outcome.version.name}, version {outcome.version.version}"
        click.echo(verdict_markdown(outcome.verdict, title, outcome.status), nl=False)
    else:
        print_table(f"Version {version}", COLUMNS, verdict_rows(outcome.verdict))
        console.print(f"Status: {outcome.status}")
    return 0 if outcome.promoted else EXIT_NO


@click.command()
@project_option
@model_option
@click.option("--to", default=None, help="Version to go back to.  [default: the alias previous]")
@click.option("--reason", required=True, help="Why; kept with the decision.")
@json_option
def rollback(project_path: Path | None, model_name: str | None, to: str | None, reason: str, as_json: bool) -> None:
    """Make the previous version champion again, or another one.

    Running servers take it over by themselves, as they do any new champion.
    """
    project = load_project(project_path)
    settings = wiring.settings(project)
    with wiring.ledger(settings) as ledger:
        stage = wiring.stage(settings, ledger, project)
        now, before = roll_back(stage, model_name or project.model_name, to=to, reason=reason)
    if as_json:
        print_json({"model": now.name, "champion": now.version, "before": before.version if before else None})
        return
    was = f" (was {before.version}, which is now previous)" if before else ""
    console.print(f"{now.name}: version {now.version} is champion again{was}.")


@click.command()
@project_option
@model_option
@click.option("--at", default=None, help="Who was champion at this time (ISO 8601), and why.")
@click.option("--verify", is_flag=True, help="Check the chain of decisions for changed or missing ones.")
@json_option
def history(project_path: Path | None, model_name: str | None, at: str | None, verify: bool, as_json: bool) -> int:
    """List the decisions about a model as they happened.

    Exit code 3 when --verify finds a broken chain.
    """
    project = load_project(project_path)
    name = model_name or project.model_name
    settings = wiring.settings(project)
    with wiring.ledger(settings) as ledger:
        _note_what_changed_outside(settings, ledger, name)
        events = list(ledger.events(subject=name))
        broken = ledger.verify_events() if verify else []
    time = moment("--at", at)
    if time is not None:
        _show_reign(events, name, time, as_json=as_json)
    elif verify:
        _show_chain(events, broken, as_json=as_json)
    elif as_json:
        print_json([_as_dict(event) for event in events])
    else:
        print_table(
            name,
            ("When", "Decision", "Version", "Who", "Why"),
            ((event.at, event.kind, event.subject.rpartition("/")[2], event.actor, event.reason) for event in events),
        )
    return EXIT_NO if broken else 0


def _note_what_changed_outside(settings: Settings, ledger: Ledger, name: str) -> None:
    """Write down aliases that were moved behind our back; a registry that is away is no reason not to tell the rest."""
    try:
        noted = note_outside_changes(wiring.registry(settings), ledger, name, "history")
    except UnavailableError as error:
        click.echo(f"The registry was not asked about changes behind our back: {error.message}", err=True)
        return
    for event in noted:
        click.echo(f"Noticed: {event.reason}", err=True)


def _show_reign(events: list[Event], name: str, at: datetime, *, as_json: bool) -> None:
    reign = reign_at(events, name, at)
    if reign is None:
        raise NotFoundError(
            f"{name} had no champion at {when(at)}.",
            next_step="See all decisions with: tiltyard history",
            code="history.no-champion",
        )
    if as_json:
        print_json({"version": reign.version, "since": reign.since, "decision": _as_dict(reign.event)})
        return
    console.print(f"At {when(at)} version {reign.version} of {name} was champion, since {when(reign.since)}:")
    console.print(f"{reign.event.kind} by {reign.event.actor}: {reign.event.reason or 'no reason given'}")


def _show_chain(events: list[Event], broken: list[str], *, as_json: bool) -> None:
    if as_json:
        print_json({"whole": not broken, "broken": broken, "decisions": len(events)})
        return
    for problem in broken:
        say("[red]✗[/red] {}", problem)
    if not broken:
        console.print("The chain of decisions is whole: none was changed, added or removed.")


def _as_dict(event: Event) -> dict[str, Any]:
    return {
        "sequence": event.sequence,
        "at": event.at,
        "kind": event.kind,
        "subject": event.subject,
        "actor": event.actor,
        "reason": event.reason,
        "evidence": dict(event.evidence),
        "digest": event.digest,
    }
