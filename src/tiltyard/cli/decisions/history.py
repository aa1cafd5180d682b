"""``tiltyard history``: list decisions, find the champion at a time, verify the chain of events."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tiltyard.cli.current_ledger import open_current_ledger
from tiltyard.cli.main import EXIT_NO
from tiltyard.cli.options import json_option, model_option, project_option
from tiltyard.cli.output import console, format_time, print_json, print_line, print_table
from tiltyard.cli.time_options import parse_time
from tiltyard.cli.versions.find_project import find_project
from tiltyard.errors import NotFoundError, UnavailableError, UsageError
from tiltyard.formatting import format_count

if TYPE_CHECKING:
    from tiltyard.ledger import Event, Ledger
    from tiltyard.registry.chain_anchors import ChainCheck
    from tiltyard.settings import Settings


@click.command()
@project_option
@model_option
@click.option(
    "--at", "moment", default=None, help="Show the champion at this time, and why (ISO 8601; UTC without a time zone)."
)
@click.option("--all", "every", is_flag=True, help="Also list the steps of responses (response-…).")
@click.option("--verify", is_flag=True, help="Check the chain of decisions for changed or missing events.")
@click.option(
    "--anchor",
    default=None,
    metavar="NUMBER:DIGEST",
    help="Check that the chain still holds this event, which an earlier --verify printed.",
)
@json_option
def history_command(
    project_path: Path | None,
    model_name: str | None,
    moment: str | None,
    every: bool,
    verify: bool,
    anchor: str | None,
    as_json: bool,
) -> int:
    """List the decisions about a model, oldest first; --json lists every event.

    Exit code 3 when --verify or --anchor finds a broken chain.
    """
    from tiltyard import wiring

    project = find_project(project_path, model_name, quiet=True)
    name = project.model_name
    settings = wiring.load_settings(project)
    at = _parse_past_time(moment)
    with open_current_ledger(settings) as ledger:
        # The check comes first: nothing may be appended to a broken chain, and the check names what cannot be read.
        chain = _verify_chain(settings, ledger, name, anchor) if verify or anchor else None
        if chain is not None and (at is None or chain.broken):
            _print_chain(chain, as_json=as_json)
            return EXIT_NO if chain.broken else 0
        _record_outside_changes(settings, ledger, name)
        events = list(ledger.events(subject=name))
    if at is not None:
        _print_champion_at(events, name, at, as_json=as_json)
    elif as_json:
        print_json([_event_to_dict(event) for event in events])
    elif not events:
        console.print(f"The ledger holds no decision about {name}.")
    else:
        _print_events(events if every else [event for event in events if not _is_step(event)], name)
        hidden = 0 if every else sum(map(_is_step, events))
        if hidden:
            console.print(f"{format_count(hidden, 'step')} of responses not shown: tiltyard history --all")
    return 0


def _print_events(events: list[Event], name: str) -> None:
    print_table(
        name,
        ("When", "Decision", "Version", "Alias", "Who", "Why"),
        (
            (event.at, event.kind, _version_of(event), event.evidence.get("alias"), event.actor, event.reason)
            for event in events
        ),
    )


def _is_step(event: Event) -> bool:
    """Whether it is a step of a response, whose decisions are events too."""
    from tiltyard.pipeline.remediation.history import STEPS

    return event.kind.startswith(STEPS)


def _version_of(event: Event) -> str | None:
    """The version that an event is about; None where it is about the model as a whole."""
    _, separator, version = event.subject.rpartition("/")
    return version if separator else None


def _record_outside_changes(settings: Settings, ledger: Ledger, name: str) -> None:
    """Record aliases that were moved outside Tiltyard; the decisions are listed even if the registry cannot be read."""
    from tiltyard import wiring
    from tiltyard.registry.outside_changes import record_outside_changes

    try:
        recorded = record_outside_changes(wiring.open_registry(settings), ledger, name, "history")
    except UnavailableError as error:
        click.echo(f"Changes outside Tiltyard were not checked: {error.message}", err=True)
        return
    for event in recorded:
        click.echo(f"Noticed: {event.reason}", err=True)


def _verify_chain(settings: Settings, ledger: Ledger, name: str, anchor: str | None) -> ChainCheck:
    """Compare the chain with the anchors outside the ledger; the chain is checked even without the registry."""
    from tiltyard import wiring
    from tiltyard.registry.chain_anchors import check_chain, parse_anchor, read_anchors

    anchors = [parse_anchor("--anchor", anchor)] if anchor else []
    try:
        anchors += read_anchors(wiring.open_registry(settings).list_versions(name))
    except UnavailableError as error:
        click.echo(f"The anchors in the registry were not checked: {error.message}", err=True)
    return check_chain(ledger, name, anchors)


def _parse_past_time(text: str | None) -> datetime | None:
    at = parse_time("--at", text)
    if at is not None and at > datetime.now(UTC):
        raise UsageError(
            f"--at {text!r} lies in the future: the champion of that time is not known.",
            next_step="Name a time in the past; for the current champion: tiltyard model-info",
        )
    return at


def _print_champion_at(events: list[Event], name: str, moment: datetime, *, as_json: bool) -> None:
    from tiltyard.pipeline import champion_at

    period = champion_at(events, name, moment)
    if period is None:
        raise NotFoundError(
            f"{name} had no champion at {format_time(moment)}.",
            next_step="See all decisions with: tiltyard history",
            code="history.no-champion",
        )
    if as_json:
        print_json({"version": period.version, "since": period.since, "decision": _event_to_dict(period.event)})
        return
    at, since = format_time(moment), format_time(period.since)
    console.print(f"At {at} version {period.version} of {name} was champion, since {since}:")
    console.print(f"{period.event.kind} by {period.event.actor}: {period.event.reason or 'no reason given'}")


def _print_chain(chain: ChainCheck, *, as_json: bool) -> None:
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
        print_line("[red]✗[/red] {}", problem)
    if not chain.broken:
        console.print(f"The chain of decisions is whole: {chain.events:,} events; {chain.noted} anchors agree.")
        if chain.foreign:
            console.print(f"{chain.foreign} anchors in the registry belong to another ledger, such as an earlier one.")
        if chain.end:
            console.print(
                f"The chain ends with {chain.end}. Store this outside the ledger, and check it with --anchor."
            )


def _event_to_dict(event: Event) -> dict[str, Any]:
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
