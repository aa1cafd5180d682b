"""The command line as a whole."""

from __future__ import annotations

import importlib
import subprocess
import sys

import click
import pytest

from tiltyard.cli.main import COMMANDS


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_line_of_a_command_is_its_own(name: str) -> None:
    """The table that lets the help answer without imports says what the commands themselves say."""
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
def test_every_command_can_answer_in_json(name: str) -> None:
    """A program can use any command: each takes --json."""
    module, attribute = COMMANDS[name][0].split(":")
    for leaf in _leaves(getattr(importlib.import_module(module), attribute)):
        assert "--json" in [option for parameter in leaf.params for option in parameter.opts], leaf.name


def test_the_help_imports_nothing_heavy() -> None:
    """`tiltyard --help` answers at once because it loads no library of the loop."""
    probe = (
        "import sys\nfrom tiltyard.cli.main import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit as left:\n    assert left.code == 0\n"
        "heavy = {'mlflow', 'pandas', 'numpy', 'sklearn', 'sqlalchemy', 'fastapi', 'dash', 'pydantic', 'rich'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "train" in done.stdout
