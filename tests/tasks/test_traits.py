"""What the tasks are, and that no other module decides by their names."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import tiltyard
from tiltyard.errors import UsageError
from tiltyard.tasks import TASKS, Task, find_task, is_kind_of, reads_text

SOURCE = Path(tiltyard.__file__).parent


def find_named_tasks(tree: ast.AST) -> Iterator[ast.Constant]:
    """The constants of a module that are the name of a task."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and node.value in TASKS:
            yield node


def test_only_the_folder_of_its_target_names_a_task() -> None:
    """What depends on the task asks for a property of it, so that a further task is described in one place."""
    described = {SOURCE / "targets" / folder / "__init__.py" for folder in ("classes", "numbers")}
    found = [
        f"{path.relative_to(SOURCE)}:{node.lineno}"
        for path in sorted(SOURCE.rglob("*.py"))
        if path not in described
        for node in find_named_tasks(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert found == []


def test_the_check_sees_a_comparison_with_a_name() -> None:
    """A module that compares a task with a literal is found, in either direction and in a collection."""
    for line in ('task == "text-classification"', '"text-classification" != task', 'task in ("text-classification",)'):
        assert len(list(find_named_tasks(ast.parse(line)))) == 1


def test_every_task_is_described_once() -> None:
    """The names that a project file may use are those that are described, and no two have one input and one target."""
    assert tuple(TASKS) == (
        "text-classification",
        "tabular-classification",
        "text-regression",
        "tabular-regression",
    )
    assert len({(traits.input, traits.target) for traits in TASKS.values()}) == len(TASKS)


@pytest.mark.parametrize("name", TASKS)
def test_a_task_is_found_by_what_it_reads_and_predicts(name: Task) -> None:
    """Input and target together name a task."""
    traits = TASKS[name]
    assert find_task(traits.input, traits.target) == name
    assert reads_text(name) == (traits.input == "text")


def test_an_input_that_no_task_of_a_target_reads_is_refused() -> None:
    """A pair of input and target without a task is an error that lists the tasks of the target."""
    with pytest.raises(UsageError, match="No task predicts a class from a sound") as refused:
        find_task("sound", "class")  # type: ignore[arg-type]
    assert "text-classification, tabular-classification" in refused.value.next_step


def test_a_target_is_of_its_own_kind_alone() -> None:
    """Targets that extend nothing are of no other kind."""
    assert is_kind_of("number", "number")
    assert not is_kind_of("number", "class")
