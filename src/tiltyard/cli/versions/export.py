"""``tiltyard export``: write a version as pickles, with its metrics as JSON."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tiltyard.cli.options import json_option, model_option, project_option
from tiltyard.cli.output import console, print_json, print_line
from tiltyard.cli.versions.find_project import find_project
from tiltyard.formatting import format_count

if TYPE_CHECKING:
    from tiltyard.project import Project
    from tiltyard.registry import VersionInfo
    from tiltyard.settings import Settings


@click.command("export")
@click.argument("version", default="champion")
@project_option
@model_option
@click.option(
    "--to",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("models"),
    show_default=True,
    help="Folder to write to.",
)
@json_option
def export_version_command(
    version: str, project_path: Path | None, model_name: str | None, to: Path, as_json: bool
) -> None:
    """Write a version as pickles: PROJECT_model.pkl, PROJECT_model_vectorizer.pkl and metrics.json.

    VERSION is a number, a label such as 2.1.0, or an alias (default: champion). To load the files you need the same
    version of scikit-learn. You need Tiltyard only for tables with dates, for nb-cnn, and for candidates that hold
    its parts: PROJECT_model_requirements.txt says what is needed. Loading a pickle runs code: load only files from
    sources that you trust.
    """
    from tiltyard import wiring
    from tiltyard.registry.package.pickle_export import WARNING, export_pickles

    project = find_project(project_path, model_name, quiet=True)
    settings = wiring.load_settings(project)
    registry = wiring.open_registry(settings)
    chosen: dict[str, Any] = {"version": version} if version[0].isdecimal() else {"alias": version}
    info = registry.get_version(project.model_name, **chosen)
    package = wiring.open_version_loader(settings, registry).load(info)
    written = export_pickles(package, to, f"{project.name}_model", _metrics(project, settings, info))
    libraries = {name: package.manifest.libraries.get(name) for name in ("python", "scikit-learn", "numpy", "scipy")}
    if as_json:
        print_json(
            {
                "model": info.name,
                "version": info.version,
                "files": {str(file): digest for file, digest in written.files.items()},
                "needs": list(written.needs),
                "needed_for": {name: list(types) for name, types in written.needs.items()},
                "libraries": libraries,
                "rows_compared": written.rows,
                "largest_difference": written.largest_difference,
                "warning": WARNING,
            }
        )
        return
    for file, digest in written.files.items():
        console.print(f"{file}  sha256 {digest}", markup=False)
    made = ", ".join(f"{name} {number}" for name, number in libraries.items())
    console.print(f"Version {info.version} of {info.name}; load it with {made}.")
    if written.needs:
        needed = (f"{name} (for {', '.join(types)})" for name, types in written.needs.items())
        console.print(f"It needs these installed as well: {'; '.join(needed)}.")
    if written.rows:
        console.print(f"Its predictions equal the version's on {format_count(written.rows, 'row')}.")
    print_line("[yellow]{}[/yellow]", WARNING)


def _metrics(project: Project, settings: Settings, info: VersionInfo) -> dict[str, Any]:
    """Accuracy, classification report and confusion matrix from the training run."""
    from tiltyard import wiring

    metrics: dict[str, Any] = {"model_name": info.name, "model_version": info.version, **dict(info.metrics)}
    if info.run_id is not None:
        logged = wiring.open_tracker(project, settings).load_dict(info.run_id, "metrics.json") or {}
        metrics |= {**logged.pop("metrics", {}), **logged}
    return metrics
