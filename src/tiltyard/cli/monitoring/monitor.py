"""``tiltyard monitor``: one look at the champion."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from rich.text import Text

from tiltyard import app_wiring, wiring
from tiltyard.cli.current_ledger import open_current_ledger
from tiltyard.cli.main import EXIT_NO
from tiltyard.cli.options import json_option, project_option
from tiltyard.cli.output import console, print_json, print_pairs, print_table, say, when
from tiltyard.cli.time_options import parse_time
from tiltyard.findings import Finding
from tiltyard.monitoring.performance import Figure
from tiltyard.monitoring.run import MonitoringResult
from tiltyard.pipeline.jobs.monitoring_run import run_monitoring
from tiltyard.project import load_project

MOST_STEPS = 3
_WORDS = {"clear": "clear", "could_not_judge": "could not judge"}


@click.command()
@project_option
@click.option("--until", default=None, help="End of the window (ISO 8601).  [default: now]")
@click.option("--no-record", is_flag=True, help="Do not write the findings into the ledger.")
@json_option
def monitor(project_path: Path | None, until: str | None, no_record: bool, as_json: bool) -> None:
    """Look at the champion once: drift, performance, service.

    Judges the answers of the last hours ([monitoring] window_hours) and writes what it saw into the ledger. The exit
    code is 3 when something was found that asks for attention.
    """
    project = load_project(project_path)
    settings = wiring.load_settings(project)
    with open_current_ledger(settings) as ledger:
        workspace = app_wiring.open_workspace(settings, ledger)
        seen = run_monitoring(project, workspace, until=parse_time("--until", until), record=not no_record)
    if as_json:
        print_json(seen.to_dict())
    else:
        _render(seen)
    if seen.alarms:
        sys.exit(EXIT_NO)


def _render(seen: MonitoringResult) -> None:
    champion = f"version {seen.version}" if seen.version else "no champion"
    say("[bold]{}[/bold], {}: {} to {}\n", seen.model, champion, when(seen.since), when(seen.until))
    print_table("Findings", ("Finding", "Subject", "Verdict", "What was seen"), map(_row, seen.findings))
    console.print()
    print_pairs(_figures(seen))
    steps = dict.fromkeys(found.next_step for found in seen.alarms if found.next_step)
    for step in list(steps)[:MOST_STEPS]:
        say("[cyan bold]next:[/cyan bold] {}", step)


def _row(found: Finding) -> tuple[object, ...]:
    verdict = _WORDS.get(found.status, found.severity)
    style = {"error": "bold red", "warning": "yellow", "clear": "green"}.get(verdict)
    return found.code, found.subject, Text(verdict, style or ""), found.message


def _figures(seen: MonitoringResult) -> list[tuple[str, object]]:
    ran, told = seen.operations, seen.performance
    pairs: list[tuple[str, object]] = [("answers", f"{ran.predictions:,} ({ran.before:,} in the window before)")]
    if ran.latency_ms:
        pairs.append(("latency", ", ".join(f"{name} {value:.1f} ms" for name, value in ran.latency_ms.items())))
    if told is not None:
        pairs.append(("labels", f"{told.labelled:,} of {told.predictions:,} answers since {when(told.since)}"))
        if "accuracy" in told.figures:
            pairs.append(("accuracy (labels)", _shown(told.figures["accuracy"])))
    if seen.estimate is not None and "accuracy" in seen.estimate.figures:
        pairs.append(("accuracy (estimate)", _shown(seen.estimate.figures["accuracy"])))
    return pairs


def _shown(figure: Figure) -> str:
    if figure.interval is None:
        return f"{figure.value:.4f}"
    return f"{figure.value:.4f} ({figure.interval.low:.4f} to {figure.interval.high:.4f})"
