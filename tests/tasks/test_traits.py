"""What the tasks are, and that no other module decides by their names."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

import tiltyard
from tiltyard.tasks import TASKS, Task, find_task, reads_text

SOURCE = Path(tiltyard.__file__).parent


def find_named_tasks(tree: ast.AST) -> Iterator[ast.Constant]:
    """The constants of a module that are the name of a task."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and node.value in TASKS:
            yield node


def test_no_module_but_that_of_the_tasks_names_one() -> None:
    """What depends on the task asks for a property of it, so that a further task is described in one place."""
    found = [
        f"{path.relative_to(SOURCE)}:{node.lineno}"
        for path in sorted(SOURCE.rglob("*.py"))
        if path.parent != SOURCE / "tasks"
        for node in find_named_tasks(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert found == []


def test_the_check_sees_a_comparison_with_a_name() -> None:
    """A module that compares a task with a literal is found, in either direction and in a collection."""
    for line in ('task == "text-classification"', '"text-classification" != task', 'task in ("text-classification",)'):
        assert len(list(find_named_tasks(ast.parse(line)))) == 1


def test_every_task_is_described_once() -> None:
    """The names that a project file may use are those that are described, and no two have one input and one target."""
    assert tuple(TASKS) == get_args(Task)
    assert len({(traits.input, traits.target) for traits in TASKS.values()}) == len(TASKS)


@pytest.mark.parametrize("name", get_args(Task))
def test_a_task_is_found_by_what_it_reads_and_predicts(name: Task) -> None:
    """Input and target together name a task."""
    traits = TASKS[name]
    assert find_task(traits.input, traits.target) == name
    assert reads_text(name) == (traits.input == "text")
