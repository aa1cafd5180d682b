"""``tiltyard report``: write a monitoring report."""

from __future__ import annotations

from pathlib import Path

import click

from tiltyard.cli.current_ledger import open_current_ledger
from tiltyard.cli.options import DAY_COUNT, json_option, model_option, project_option
from tiltyard.cli.output import print_json, print_line
from tiltyard.cli.time_options import parse_time
from tiltyard.cli.versions.find_project import find_project
from tiltyard.errors import UsageError

DAYS = 7.0


@click.command()
@project_option
@model_option
@click.option("--to", "target", type=click.Path(path_type=Path), default=None, help="File to write: .html or .md.")
@click.option("--days", type=DAY_COUNT, default=DAYS, show_default=True, help="Days that the report covers.")
@click.option("--until", default=None, help="End of the period (ISO 8601).  [default: now]")
@json_option
def report_command(
    project_path: Path | None,
    model_name: str | None,
    target: Path | None,
    days: float,
    until: str | None,
    as_json: bool,
) -> None:
    """Write a report on the last days: HTML or Markdown, with plots.

    The default is reports/monitoring.html in the project's folder. The plots of a Markdown report are in a folder next
    to it. --json also prints the figures.
    """
    from tiltyard import app_wiring, wiring
    from tiltyard.monitoring.report import write_report
    from tiltyard.pipeline.jobs.monitoring_run import summarise_period

    if not days > 0:
        raise UsageError(f"--days {days:g} is not positive.", next_step="Give a positive number, such as 7.")
    project = find_project(project_path, model_name)
    settings = wiring.load_settings(project)
    with open_current_ledger(settings) as ledger:
        workspace = app_wiring.open_workspace(settings, ledger)
        summary = summarise_period(project, workspace, hours=days * 24, until=parse_time("--until", until))
    files = write_report(summary, target or project.root / "reports" / "monitoring.html")
    if as_json:
        print_json({"file": str(files[0]), "files": [str(file) for file in files], **summary.to_dict()})
        return
    print_line("Wrote the report on {:,} predictions to [bold]{}[/bold].", summary.stats.total, files[0])
