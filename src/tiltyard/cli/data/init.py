"""``tiltyard init``: write a commented project file for a data file."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path

import click

from tiltyard.cli.options import json_option
from tiltyard.cli.output import console, print_json, print_line
from tiltyard.data.infer_columns import InferredColumns, infer_columns
from tiltyard.data.sources import FileLayout, detect_layout, read_source
from tiltyard.errors import UsageError
from tiltyard.models import CANDIDATES, DEFAULTS
from tiltyard.project import PROJECT_FILE, ColumnSchema, DataSection, SplitSection, load_project
from tiltyard.validation import infer_required_schema

_MEANINGS = {
    "format": "what the file is",
    "encoding": "encoding of its characters",
    "separator": "character between two cells",
    "quoting": "quotes are characters like any other",
    "decimal": "decimal separator of numbers",
    "thousands": "separator between thousands",
    "columns": "names of its columns: it has no header",
}


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--name", default=None, help="Name of the project.  [default: from the folder's name]")
@click.option("--label", default=None, help="Column of the label.  [default: guessed]")
@click.option("--text", default=None, help="Column of the text.  [default: guessed]")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["csv", "tsv", "json", "jsonl", "parquet", "excel", "folder"]),
    default=None,
    help="Format of the file.  [default: by its name, else by its content]",
)
@click.option("--sep", default=None, help="Separator of the cells, such as ';' or tab.  [default: detected]")
@click.option("--encoding", default=None, help="Encoding, such as windows-1252.  [default: detected]")
@click.option("--decimal", type=click.Choice([".", ","]), default=None, help="Decimal separator.  [default: detected]")
@click.option("--no-header", is_flag=True, help="The first row holds no names.  [default: detected]")
@click.option("--output", type=click.Path(path_type=Path), default=Path(PROJECT_FILE), help="File to write.")
@click.option("--force", is_flag=True, help="Replace the file if it exists.")
@json_option
def init_command(
    data: Path,
    name: str | None,
    label: str | None,
    text: str | None,
    output: Path,
    *,
    force: bool,
    as_json: bool,
    no_header: bool,
    **stated: str | None,
) -> None:
    """Write a commented tiltyard.toml for a data file.

    DATA is a CSV, TSV, JSON, JSON Lines, Parquet or Excel file, plain or compressed, or a folder with one subfolder of
    .txt files for each label. How the file is written (encoding, separators, header) is detected and written into
    tiltyard.toml.
    """
    if output.exists() and not force:
        raise UsageError(f"{output} exists.", next_step="Use --force to replace it, or --output for another file.")
    if not data.exists():
        raise UsageError(f"The data file {data} does not exist.", next_step="Check the path.")
    folder = data.is_dir()
    layout = detect_layout(data.resolve(), _name_options(stated), header=False if no_header else None)
    frame = read_source(DataSection(source=str(data.resolve()), **layout.options), Path())
    guess = infer_columns(frame, label=label, text="text" if folder else text)
    source = os.path.relpath(data.resolve(), output.resolve().parent)
    schema = infer_required_schema(frame, label=guess.label, text=guess.text)
    by = "column:split" if folder and "split" in frame.columns else "content"
    content = _render(name or _project_name(output), source, guess, layout, by)
    output.write_text(content + _render_schema(schema), encoding="utf-8")
    load_project(output)
    if as_json:
        print_json(
            {
                "file": str(output),
                "rows": len(frame),
                "guess": vars(guess),
                "read_as": layout.options,
                "notices": layout.notices,
            }
        )
        return
    for notice in layout.notices:
        print_line("{}", notice)
    print_line(
        "Wrote [bold]{}[/bold] for {:,} rows: {}, label '{}'", output, len(frame), guess.task, guess.label, end=""
    )
    console.print(f" ({', '.join(guess.classes)})" + (f", text '{guess.text}'." if guess.text else "."))
    print_line("Check the guessed columns, then: [bold]tiltyard train --champion[/bold]")


def _name_options(stated: Mapping[str, str | None]) -> dict[str, str | None]:
    """The keys of [data] that the options state."""
    separator = stated["sep"]
    if separator is not None:
        separator = {"tab": "\t", "\\t": "\t"}.get(separator, separator)
        if len(separator) != 1:
            raise UsageError(f"--sep {separator!r} is not one character.", next_step="Use one, or the word tab.")
    return {
        "format": stated["format_"],
        "encoding": stated["encoding"],
        "separator": separator,
        "decimal": stated["decimal"],
    }


def _project_name(output: Path) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", output.resolve().parent.name).strip("-._") or "project"


def _render(name: str, source: str, guess: InferredColumns, layout: FileLayout, by: str) -> str:
    data = [
        f"source = {_quote(source)}      # CSV, TSV, JSON Lines, Parquet, or a folder with one subfolder for each label"
    ]
    data += [f"{key} = {_value(value)}      # {_MEANINGS[key]}" for key, value in layout.options.items()]
    if guess.text:
        data.append(f"text = {_quote(guess.text)}      # column of the text")
    data.append(f"label = {_quote(guess.label)}      # column of the label: {', '.join(guess.classes[:5])}")
    if len(guess.classes) == 2:
        data.append(
            f"positive = {_quote(guess.classes[-1])}      # label for which precision, recall and F1 are computed"
        )
    if guess.time:
        data.append(f"time = {_quote(guess.time)}      # when a row was created")
    if guess.identifiers and not guess.text:
        listed = ", ".join(_quote(column) for column in guess.identifiers)
        data.append(f"ignore = [{listed}]      # columns that only identify a row")
    fitting = [candidate.name for candidate in CANDIDATES.values() if candidate.task == guess.task]
    others = ", ".join(_quote(name) for name in fitting if name != DEFAULTS[guess.task])
    training = [f"candidates = [{_quote(DEFAULTS[guess.task])}]      # also: {others}; several compete"]
    return "\n".join(
        [
            "# Addresses and secrets belong in the environment, never in this file. See: tiltyard doctor",
            "[project]",
            f"name = {_quote(name)}",
            f"task = {_quote(guess.task)}",
            "",
            "[data]",
            *data,
            "",
            "[split]",
            f"test = {SplitSection().test}      # share of rows held out for evaluation",
            f'by = "{by}"      # "content": a row never changes sides; or "time", or "column:NAME"',
            "",
            "[training]",
            *training,
            'metric = "accuracy"      # compares candidates and versions',
            "",
            "[promotion]",
            'rule = "significant"      # or "better", or "non-inferior"',
            "alpha = 0.05      # accepted rate of false promotions",
            "# floors = { accuracy = 0.80 }      # no version below this is promoted",
            "",
            "[serving]",
            "port = 8000",
            "",
        ]
    )


def _render_schema(schema: Mapping[str, ColumnSchema]) -> str:
    lines = ["", "[schema]      # what each column must hold; tiltyard validate and train check the data against it"]
    for name, column in schema.items():
        fields = column.model_dump(exclude_defaults=True)
        lines.append(f"{_quote(name)} = {{ {', '.join(f'{key} = {_value(value)}' for key, value in fields.items())} }}")
    return "\n".join([*lines, ""])


def _value(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return f"[{', '.join(_value(item) for item in value)}]"
    return _quote(value) if isinstance(value, str) else repr(value)


def _quote(text: str) -> str:
    """A TOML basic string; JSON's escapes are a subset of TOML's."""
    return json.dumps(text, ensure_ascii=False)
