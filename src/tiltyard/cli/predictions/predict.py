"""``tiltyard predict``: predict on the command line, with the scorer that the server uses."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tiltyard.cli.escape import escape_control
from tiltyard.cli.options import Number, Words, choose_version, json_option, model_option, project_option
from tiltyard.cli.output import print_json, print_line, print_table
from tiltyard.cli.predictions.predict_inputs import FILE_FORMATS, PredictInputs, read_file_inputs, read_words
from tiltyard.cli.versions.find_project import find_project
from tiltyard.errors import UsageError
from tiltyard.formatting import format_interval

if TYPE_CHECKING:
    from tiltyard.project import Project
    from tiltyard.registry import Manifest
    from tiltyard.scoring import InputWarning, Warnings

INPUT_WIDTH = 200  # characters of an input


@click.command()
@click.argument("inputs", nargs=-1)
@project_option
@model_option
@click.option(
    "--file",
    "file",
    type=click.Path(path_type=Path, allow_dash=True),
    help="A file of inputs: CSV, TSV, JSON, JSON Lines, Parquet, Excel, or lines; - for standard input.",
)
@click.option(
    "--format",
    "kind",
    type=click.Choice(FILE_FORMATS),
    default=None,
    help="Format of the file; lines is one input per line.  [default: by its ending, else by its content]",
)
@click.option("--version", type=Words(), default=None, help="A version number.")
@click.option("--alias", type=Words(), default=None, help="An alias.  [default: champion]")
@click.option(
    "--confidence-level",
    "level",
    type=Number(),
    default=None,
    help="Show prediction sets too: labels among which the true one is with this confidence, such as 0.9.",
)
@json_option
def predict_command(
    inputs: tuple[str, ...],
    project_path: Path | None,
    model_name: str | None,
    file: Path | None,
    kind: str | None,
    version: str | None,
    alias: str | None,
    level: float | None,
    as_json: bool,
) -> None:
    """Predict texts or rows with the champion, without a server.

    INPUTS are texts, or rows as JSON objects for a tabular project. A file may have the columns of the training file,
    its label and ids among them. These predictions are not recorded.
    """
    from tiltyard import wiring
    from tiltyard.registry.package.skops_file import import_early
    from tiltyard.scoring import UnknownPolicy, describe_predictions, join_warnings, make_scorer, score_inputs
    from tiltyard.tasks import PREDICTION_SET, check_confidence_level, require_sets

    project = find_project(project_path, model_name)
    if file is None and kind is not None:
        raise UsageError("--format is for a file.", next_step="Give --file FILE, or --file - for standard input.")
    given = [
        *([read_words(project, inputs)] if inputs else []),
        *([read_file_inputs(project, file, kind)] if file else []),
    ]
    if not any(one.rows for one in given):
        raise UsageError("There is no input.", next_step='Give a text, such as: tiltyard predict "I loved it"')
    import_early()
    settings = wiring.load_settings(project)
    registry = wiring.open_registry(settings)
    version, alias = choose_version(version, alias)
    info = registry.get_version(project.model_name, version=version, alias=alias)
    loaded = wiring.open_version_loader(settings, registry).load(info)
    scorer = make_scorer(loaded)
    sets = (
        None
        if level is None
        else require_sets(loaded.prediction_sets, scorer.classes, info.version, check_confidence_level(level))
    )
    rows, found_before = _pick_inputs(project, given, loaded.manifest)
    scores = score_inputs(scorer, rows, UnknownPolicy.from_options(project.serving))
    warnings: Warnings = join_warnings(found_before, scores.warnings) or [()] * len(rows)
    lines = [line for one in given for line in one.shown]
    described = describe_predictions(scores, scorer.classes)
    held = [] if sets is None or level is None else sets.list_labels([one.probabilities for one in described], level)
    results: list[dict[str, Any]] = [
        {
            project.serving.answer: scored.value,
            **scored.certainty,
            **({PREDICTION_SET: held[position]} if held else {}),
            "model_version": info.version,
            **_describe_warnings(found),
        }
        for position, (scored, found) in enumerate(zip(described, warnings, strict=True))
    ]
    shown = "interval" if scores.numbers is not None else "confidence"
    if as_json:
        print_json(results)
        return
    print_table(
        f"{info.name} version {info.version}",
        (project.serving.answer, shown, *(() if sets is None else ("set",)), "input"),
        (
            (
                item[project.serving.answer],
                _format_certainty(item[shown]),
                *(() if sets is None else (", ".join(item[PREDICTION_SET]),)),
                _format_input(line),
            )
            for item, line in zip(results, lines, strict=True)
        ),
    )
    for position, found in enumerate(warnings, start=1):
        for warning in found:
            print_line("[yellow]![/yellow] Input {}: '{}' {}.", position, warning.field, warning.message)
    sys.stdout.flush()


def _describe_warnings(found: Sequence[InputWarning]) -> dict[str, Any]:
    """What is said of an input, as by ``/predict``."""
    from tiltyard import jsonable
    from tiltyard.scoring import split_abstention

    abstained, unusual = split_abstention(found)
    warnings = [jsonable.to_json_object(warning) for warning in unusual]
    return {**({"abstained": True} if abstained else {}), **({"warnings": warnings} if warnings else {})}


def _format_certainty(value: Any) -> Any:
    """A confidence as it is; an interval as its two ends."""
    return value if isinstance(value, float) else format_interval(value)


def _format_input(line: str) -> str:
    """An input on one line of a table."""
    short = line if len(line) <= INPUT_WIDTH else f"{line[: INPUT_WIDTH - 1]}…"
    return escape_control(short).replace("\t", "\\t").replace("\n", "\\n")


def _pick_inputs(
    project: Project, given: Sequence[PredictInputs], manifest: Manifest
) -> tuple[list[Mapping[str, Any]], Warnings | None]:
    """The inputs as the model takes them, and the warnings of columns that it does not know."""
    from tiltyard.scoring.text.text_inputs import TextColumns
    from tiltyard.tasks import reads_text

    rows: list[Mapping[str, Any]] = []
    warnings: list[Sequence[InputWarning]] = []
    for one in given:
        if one.named and reads_text(project.task):
            columns = TextColumns(manifest.text_column, frozenset(manifest.other_columns))
            texts, found = columns.pick_texts(one.rows)
            rows += texts
            warnings += found or [()] * len(texts)
        else:
            rows += one.rows
            warnings += [()] * len(one.rows)
    return rows, warnings if any(warnings) else None
