"""``tiltyard predict``: predict on the command line, with the scorer that the server uses."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from tiltyard import jsonable, wiring
from tiltyard.cli.escape import escape_control
from tiltyard.cli.options import json_option, project_option
from tiltyard.cli.output import print_json, print_line, print_table
from tiltyard.errors import UsageError
from tiltyard.project import Project, load_project
from tiltyard.scoring import UnknownPolicy, Warnings, make_scorer, score_inputs

INPUT_WIDTH = 200  # characters of an input


@click.command()
@click.argument("inputs", nargs=-1)
@project_option
@click.option(
    "--file", "file", type=click.File("r", encoding="utf-8"), help="Inputs, one per line; - for standard input."
)
@click.option("--version", default=None, help="A version number.")
@click.option("--alias", default=None, help="An alias.  [default: champion]")
@json_option
def predict_command(
    inputs: tuple[str, ...],
    project_path: Path | None,
    file: Any,
    version: str | None,
    alias: str | None,
    as_json: bool,
) -> None:
    """Predict texts or rows with the champion, without a server.

    INPUTS are texts, or rows as JSON objects for a tabular project. These predictions are not recorded.
    """
    project = load_project(project_path)
    lines = [*inputs, *(line.rstrip("\n") for line in file or () if line.strip())]
    if not lines:
        raise UsageError("There is no input.", next_step='Give a text, such as: tiltyard predict "I loved it"')
    rows = [_parse_input(project, line, position) for position, line in enumerate(lines, start=1)]
    settings = wiring.load_settings(project)
    registry = wiring.open_registry(settings)
    chosen = None if version else (alias or "champion")
    info = registry.get_version(project.model_name, version=version, alias=chosen)
    scorer = make_scorer(wiring.open_version_loader(settings, registry).load(info))
    scores = score_inputs(scorer, rows, UnknownPolicy.from_options(project.serving))
    warnings: Warnings = scores.warnings or [()] * len(rows)
    results: list[dict[str, Any]] = [
        {
            project.serving.answer: label,
            "confidence": float(row.max()),
            "probabilities": dict(zip(scorer.classes, map(float, row), strict=True)),
            "model_version": info.version,
            **({"warnings": [jsonable.to_json_object(warning) for warning in found]} if found else {}),
        }
        for label, row, found in zip(scores.labels, scores.probabilities, warnings, strict=True)
    ]
    if as_json:
        print_json(results)
        return
    print_table(
        f"{info.name} version {info.version}",
        (project.serving.answer, "confidence", "input"),
        (
            (item[project.serving.answer], item["confidence"], _format_input(line))
            for item, line in zip(results, lines, strict=True)
        ),
    )
    for position, found in enumerate(warnings, start=1):
        for warning in found:
            print_line("[yellow]![/yellow] Input {}: '{}' {}.", position, warning.field, warning.message)
    sys.stdout.flush()


def _format_input(line: str) -> str:
    """An input on one line of a table."""
    short = line if len(line) <= INPUT_WIDTH else f"{line[: INPUT_WIDTH - 1]}…"
    return escape_control(short).replace("\t", "\\t").replace("\n", "\\n")


def _parse_input(project: Project, line: str, position: int) -> dict[str, Any]:
    if project.task == "text-classification":
        return {"text": line}
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise UsageError(
            f"Input {position} is not JSON: {error.msg} at column {error.colno}.",
            next_step='Write a row as an object, such as {"age": 41, "sex": "female"}.',
        ) from None
    if not isinstance(row, dict):
        raise UsageError(
            f"Input {position} is {line!r}, not an object.",
            next_step='Write a row as an object, such as {"age": 41, "sex": "female"}.',
        )
    return row
