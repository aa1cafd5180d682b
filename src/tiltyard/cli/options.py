"""Options that many commands share."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from tiltyard.aliases import CHAMPION
from tiltyard.errors import UsageError

Command = Callable[..., Any]


class Words(click.ParamType[str]):
    """A text that says something: an empty one would count as an option that was not given."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Refuse an empty text."""
        if not str(value).strip():
            self.fail("it is empty.", param, ctx)
        return str(value)


class Number(click.FloatRange):
    """A finite number in a range: NaN is in no range, and click lets it through."""

    name = "float range"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Refuse what is not finite, and what is not in the range."""
        found = float(super().convert(value, param, ctx))
        if not math.isfinite(found):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return found

    def _describe_range(self) -> str:
        # click's own says x<=None where there is no limit.
        return "" if self.min is None and self.max is None else super()._describe_range()


DAY_COUNT = Number(0, 36_500, min_open=True)
"""So many days, of a hundred years at most."""


def choose_version(version: str | None, alias: str | None) -> tuple[str | None, str | None]:
    """The version or the alias that is meant: the champion where neither is given.

    Raises:
        UsageError: both are given.
    """
    if version is not None and alias is not None:
        raise UsageError(
            f"--version {version} and --alias {alias} are both given.",
            next_step="Give one of them: --version or --alias.",
        )
    return (version, None) if version is not None else (None, alias or CHAMPION)


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
        type=Words(),
        default=None,
        help="Registered model; needs no project file.  [default: the project's, or the only one]",
    )(command)
