"""``promote``, ``rollback`` and ``history``: decisions about versions, made and looked up."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from tiltyard import app_wiring, wiring
from tiltyard.cli.current_ledger import open_current_ledger
from tiltyard.cli.main import EXIT_NO
from tiltyard.cli.options import json_option, model_option, project_option
from tiltyard.cli.output import console, print_json, print_table, say, when
from tiltyard.cli.time_options import parse_time as time_of
from tiltyard.data import load_dataset, split_dataset
from tiltyard.errors import NotFoundError, UnavailableError, UsageError
from tiltyard.ledger import Event, Ledger
from tiltyard.pipeline import champion_at, promote_version, roll_back
from tiltyard.project import load_project
from tiltyard.promotion.gates import COLUMNS, verdict_markdown, verdict_rows
from tiltyard.registry.alias_history import record_outside_changes
from tiltyard.registry.chain_anchors import ChainCheck, anchor_of, check_chain, read_anchors
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
    settings = wiring.load_settings(project)
    test = split_dataset(load_dataset(project), project.split, project.data.time).test
    with wiring.open_ledger(settings) as ledger:
        outcome = promote_version(app_wiring.open_workspace(settings, ledger, project), project, version, test)
    if as_json:
        print_json(outcome.to_dict())
    elif markdown:
        title = f"{outcome.version.name}, version {outcome.version.version}"
        click.echo(verdict_markdown(outcome.verdict, title, outcome.status), nl=False)
    else:
        print_table(f"Version {outcome.version.version}", COLUMNS, verdict_rows(outcome.verdict))
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
    settings = wiring.load_settings(project)
    with wiring.open_ledger(settings) as ledger:
        workspace = app_wiring.open_workspace(settings, ledger, project)
        now, before = roll_back(workspace, model_name or project.model_name, to=to, reason=reason)
    if as_json:
        print_json({"model": now.name, "champion": now.version, "before": before.version if before else None})
        return
    was = f" (was {before.version}, which is now previous)" if before else ""
    console.print(f"{now.name}: version {now.version} is champion again{was}.")


@click.command()
@project_option
@model_option
@click.option(
    "--at", "moment", default=None, help="Who was champion then, and why: ISO 8601, in UTC where no zone is named."
)
@click.option("--verify", is_flag=True, help="Check the chain of decisions for changed or missing ones.")
@click.option(
    "--noted", default=None, help="End of the chain as --verify told it once (NUMBER:DIGEST): is it still in it?"
)
@json_option
def history(
    project_path: Path | None,
    model_name: str | None,
    moment: str | None,
    verify: bool,
    noted: str | None,
    as_json: bool,
) -> int:
    """List the decisions about a model as they happened.

    Exit code 3 when --verify or --noted finds a broken chain.
    """
    project = load_project(project_path)
    name = model_name or project.model_name
    settings = wiring.load_settings(project)
    at = _past(moment)
    with open_current_ledger(settings) as ledger:
        # First: nothing is added to a chain that is broken, and what cannot be read is told as what it is.
        chain = _verified(settings, ledger, name, noted) if verify or noted else None
        if chain is not None and (at is None or chain.broken):
            _show_chain(chain, as_json=as_json)
            return EXIT_NO if chain.broken else 0
        _note_what_changed_outside(settings, ledger, name)
        events = list(ledger.events(subject=name))
    if at is not None:
        _show_reign(events, name, at, as_json=as_json)
    elif as_json:
        print_json([_as_dict(event) for event in events])
    elif not events:
        console.print(f"No decision about {name} is in this ledger.")
    else:
        print_table(
            name,
            ("When", "Decision", "Version", "Who", "Why"),
            ((event.at, event.kind, event.subject.rpartition("/")[2], event.actor, event.reason) for event in events),
        )
    return 0


def _note_what_changed_outside(settings: Settings, ledger: Ledger, name: str) -> None:
    """Write down aliases that were moved behind our back; a registry that is away is no reason not to tell the rest."""
    try:
        noted = record_outside_changes(wiring.open_registry(settings), ledger, name, "history")
    except UnavailableError as error:
        click.echo(f"The registry was not asked about changes behind our back: {error.message}", err=True)
        return
    for event in noted:
        click.echo(f"Noticed: {event.reason}", err=True)


def _verified(settings: Settings, ledger: Ledger, name: str, noted: str | None) -> ChainCheck:
    """The chain, held against what is known of it elsewhere; a registry that is away does not keep the rest back."""
    notes = [anchor_of("--noted", noted)] if noted else []
    try:
        notes += read_anchors(wiring.open_registry(settings).list_versions(name))
    except UnavailableError as error:
        click.echo(f"The registry was not asked for the decisions that it knows of: {error.message}", err=True)
    return check_chain(ledger, name, notes)


def _past(text: str | None) -> datetime | None:
    at = time_of("--at", text)
    if at is not None and at > datetime.now(UTC):
        raise UsageError(
            f"--at {text!r} lies in the future: who will be champion then is not known.",
            next_step="Name a time that is over; the present champion: tiltyard model-info",
        )
    return at


def _show_reign(events: list[Event], name: str, moment: datetime, *, as_json: bool) -> None:
    reign = champion_at(events, name, moment)
    if reign is None:
        raise NotFoundError(
            f"{name} had no champion at {when(moment)}.",
            next_step="See all decisions with: tiltyard history",
            code="history.no-champion",
        )
    if as_json:
        print_json({"version": reign.version, "since": reign.since, "decision": _as_dict(reign.event)})
        return
    console.print(f"At {when(moment)} version {reign.version} of {name} was champion, since {when(reign.since)}:")
    console.print(f"{reign.event.kind} by {reign.event.actor}: {reign.event.reason or 'no reason given'}")


def _show_chain(chain: ChainCheck, *, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "whole": not chain.broken,
                "broken": list(chain.broken),
                "events": chain.events,
                "noted": chain.noted,
                "foreign": chain.foreign,
                "end": chain.end,
            }
        )
        return
    for problem in chain.broken:
        say("[red]✗[/red] {}", problem)
    if not chain.broken:
        console.print(
            f"The chain of decisions is whole: {chain.events:,} events, and {chain.noted} notes elsewhere agree."
        )
        if chain.foreign:
            console.print(f"{chain.foreign} notes in the registry are of another record, such as an earlier ledger's.")
        if chain.end:
            console.print(f"It ends with {chain.end}: keep that apart, and give it to --noted another day.")


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
