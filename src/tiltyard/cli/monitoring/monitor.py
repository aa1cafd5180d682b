"""``tiltyard monitor``: one monitoring run of the champion."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.text import Text

from tiltyard.cli.current_ledger import open_current_ledger
from tiltyard.cli.main import EXIT_NO
from tiltyard.cli.options import json_option, model_option, project_option
from tiltyard.cli.output import console, format_time, print_json, print_line, print_pairs, print_table
from tiltyard.cli.time_options import parse_time
from tiltyard.cli.versions.find_project import find_project

if TYPE_CHECKING:
    from tiltyard.findings import Finding
    from tiltyard.monitoring.performance import Figure
    from tiltyard.monitoring.run import MonitoringResult

MAX_STEPS = 3
_VERDICTS = {"clear": "clear", "could_not_judge": "could not check"}


@click.command()
@project_option
@model_option
@click.option("--until", default=None, help="End of the window (ISO 8601).  [default: now]")
@click.option("--no-record", is_flag=True, help="Do not write the findings to the ledger.")
@json_option
def monitor_command(
    project_path: Path | None, model_name: str | None, until: str | None, no_record: bool, as_json: bool
) -> None:
    """Monitor the champion once: drift, performance, service.

    The run checks the predictions of the last hours ([monitoring] window_hours) and writes its findings to the ledger.
    Exit code 3 when a finding needs attention.
    """
    from tiltyard import app_wiring, wiring
    from tiltyard.pipeline.jobs.monitoring_run import run_monitoring

    project = find_project(project_path, model_name)
    settings = wiring.load_settings(project)
    with open_current_ledger(settings) as ledger:
        workspace = app_wiring.open_workspace(settings, ledger)
        result = run_monitoring(project, workspace, until=parse_time("--until", until), record=not no_record)
    if as_json:
        print_json(result.to_dict())
    else:
        _render(result)
    if result.alarms:
        sys.exit(EXIT_NO)


def _render(result: MonitoringResult) -> None:
    champion = f"version {result.version}" if result.version else "no champion"
    since, until = format_time(result.since), format_time(result.until)
    print_line("[bold]{}[/bold], {}: {} to {}\n", result.model_name, champion, since, until)
    print_table("Findings", ("Finding", "Subject", "Verdict", "Details"), map(_to_cells, result.findings))
    console.print()
    print_pairs(_figures(result))
    steps = dict.fromkeys(finding.next_step for finding in result.alarms if finding.next_step)
    for step in list(steps)[:MAX_STEPS]:
        print_line("[cyan bold]next:[/cyan bold] {}", step)


def _to_cells(finding: Finding) -> tuple[object, ...]:
    verdict = _VERDICTS.get(finding.status, finding.severity)
    style = {"error": "bold red", "warning": "yellow", "clear": "green"}.get(verdict)
    return finding.code, finding.subject, Text(verdict, style or ""), finding.message


def _figures(result: MonitoringResult) -> list[tuple[str, object]]:
    service, labelled = result.operations, result.performance
    count = f"{service.predictions:,} ({service.predictions_before:,} in the window before)"
    pairs: list[tuple[str, object]] = [("predictions", count)]
    if service.latency_ms:
        pairs.append(("latency", ", ".join(f"{name} {value:.1f} ms" for name, value in service.latency_ms.items())))
    if labelled is not None:
        since = format_time(labelled.since)
        pairs.append(("labels", f"{labelled.labelled:,} of {labelled.predictions:,} predictions since {since}"))
        shown = [name for name in ("accuracy", "mae") if name in labelled.figures]
        pairs += [(f"{name} (labels)", _format_figure(labelled.figures[name])) for name in shown]
    if result.estimate is not None and "accuracy" in result.estimate.figures:
        pairs.append(("accuracy (estimate)", _format_figure(result.estimate.figures["accuracy"])))
    return pairs


def _format_figure(figure: Figure) -> str:
    if figure.interval is None:
        return f"{figure.value:.4f}"
    return f"{figure.value:.4f} ({figure.interval.low:.4f} to {figure.interval.high:.4f})"
