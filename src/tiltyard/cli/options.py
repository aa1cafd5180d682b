"""Options that many commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

Command = Callable[..., Any]


def project_option(command: Command) -> Command:
    """``--project``: the project file, or a folder in which (or above which) it is found."""
    return click.option(
        "--project",
        "-p",
        "project_path",
        type=click.Path(path_type=Path),
        default=None,
        help="Project file, or a folder to look in.  [default: tiltyard.toml here or above]",
    )(command)


def json_option(command: Command) -> Command:
    """``--json``: print the result as JSON, and nothing else, on standard output."""
    return click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")(command)


def model_option(command: Command) -> Command:
    """``--model-name``: a registered model, instead of the project's or without a project file."""
    return click.option(
        "--model-name",
        default=None,
        help="Registered model; needs no project file.  [default: the project's, or the only one]",
    )(command)
