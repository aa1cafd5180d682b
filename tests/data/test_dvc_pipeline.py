"""The pipeline file for teams that use DVC."""

from __future__ import annotations

import importlib
import shlex
from pathlib import Path

import click
import pytest

from tiltyard.cli.main import COMMANDS

EXAMPLE = Path(__file__).parents[2] / "examples" / "sentiment"


@pytest.mark.requirement("R-DATA-14")
def test_the_pipeline_names_files_and_options_that_exist() -> None:
    """What DVC watches is there, what it runs is a command of ours, and what it reads is what that writes."""
    yaml = pytest.importorskip("yaml")
    stage = yaml.safe_load((EXAMPLE / "dvc.yaml").read_text(encoding="utf-8"))["stages"]["train"]
    assert all((EXAMPLE / path).is_file() for path in stage["deps"])
    program, name, *words = shlex.split(stage["cmd"].split(" || ")[0])
    assert program == "tiltyard"
    module, attribute = COMMANDS[name][0].split(":")
    command: click.Command = getattr(importlib.import_module(module), attribute)
    options = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= options
    written = words[words.index(">") + 1]
    assert [list(metric) for metric in stage["metrics"]] == [[written]]
