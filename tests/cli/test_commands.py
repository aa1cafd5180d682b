"""The command line as a whole."""

from __future__ import annotations

import importlib
import subprocess
import sys

import click
import pytest

from tiltyard.cli.main import COMMANDS


@pytest.mark.requirement("R-DOC-05")
@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_table_matches_the_commands(name: str) -> None:
    """The table of the help holds the first line of each command's docstring."""
    place, line = COMMANDS[name]
    module, attribute = place.split(":")
    command = getattr(importlib.import_module(module), attribute)
    assert isinstance(command, click.Command)
    assert command.name == name
    assert (command.help or "").split("\n\n")[0] == line


def _leaves(command: click.Command) -> list[click.Command]:
    if not isinstance(command, click.Group):
        return [command]
    return [leaf for inner in command.commands.values() for leaf in _leaves(inner)]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_takes_json(name: str) -> None:
    """A program can use any command: each takes --json."""
    module, attribute = COMMANDS[name][0].split(":")
    for leaf in _leaves(getattr(importlib.import_module(module), attribute)):
        assert "--json" in [option for parameter in leaf.params for option in parameter.opts], leaf.name


@pytest.mark.parametrize("name", COMMANDS)
def test_no_help_shows_a_range_without_limits(name: str) -> None:
    """A range in a help names its limits; click's own text for one without any is x<=None."""
    module, attribute = COMMANDS[name][0].split(":")
    for leaf in _leaves(getattr(importlib.import_module(module), attribute)):
        assert "None" not in leaf.get_help(click.Context(leaf, info_name=leaf.name)), leaf.name


NEED_A_FILE = {"train": "trains it", "init": "writes it", "deploy": "workers read it", "snapshot": "stores its rows"}
NEED_A_FILE |= {"restore": "makes the registry that would know a model"}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_about_a_model_takes_its_name_instead_of_a_project_file(name: str) -> None:
    """Whatever looks for a project file takes --model-name too, but for what is about the file itself."""
    module, attribute = COMMANDS[name][0].split(":")
    for leaf in _leaves(getattr(importlib.import_module(module), attribute)):
        options = {option for parameter in leaf.params for option in parameter.opts}
        if "--project" in options and leaf.name not in NEED_A_FILE:
            assert "--model-name" in options, leaf.name


def test_the_help_imports_nothing_heavy() -> None:
    """`tiltyard --help` appears at once, because it imports no heavy library."""
    probe = (
        "import sys\nfrom tiltyard.cli.main import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit as left:\n    assert left.code == 0\n"
        "heavy = {'mlflow', 'pandas', 'numpy', 'sklearn', 'sqlalchemy', 'fastapi', 'dash', 'pydantic', 'rich'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    assert "train" in done.stdout
