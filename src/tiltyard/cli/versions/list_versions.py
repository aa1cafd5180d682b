"""``tiltyard list-versions``: the registered versions in a table."""

from __future__ import annotations

from pathlib import Path

import click

from tiltyard.cli.options import json_option, model_option, project_option
from tiltyard.cli.output import format_time, print_json, print_line, print_table
from tiltyard.cli.versions.find_project import find_project
from tiltyard.cli.versions.model_info import version_to_dict


@click.command()
@project_option
@model_option
@json_option
def list_versions_command(project_path: Path | None, model_name: str | None, as_json: bool) -> None:
    """List all versions with their aliases, stages and metrics."""
    from tiltyard import wiring
    from tiltyard.registry.ports import CANDIDATE_TAG

    project = find_project(project_path, model_name, quiet=True)
    name = project.model_name
    versions = wiring.open_registry(wiring.load_settings(project)).list_versions(name)
    if as_json:
        print_json([version_to_dict(info) for info in versions])
        return
    if not versions:
        print_line("No version of {} yet: run [bold]tiltyard train --champion[/bold]", name)
        return
    metric = project.training.metric
    print_table(
        name,
        ("Version", "Label", "Aliases", "Stage", metric, "Candidate", "Registered", "Run ID"),
        (
            (
                info.version,
                info.label,
                ", ".join(info.aliases) or None,
                info.stage,
                info.metrics.get(metric),
                info.tags.get(CANDIDATE_TAG),
                format_time(info.created_at),
                info.run_id[:8] if info.run_id else None,
            )
            for info in versions
        ),
    )
