"""What the tasks are: two independent choices, what a model reads and what it predicts.

No other module names a task or compares one with a name. It asks here for the property that it depends on, so that a
further task is described once, in the folder of its target. What a task needs of a part of Tiltyard (metrics,
comparison, scoring, words) stands in that folder too, and is found through ``TaskPart``.

The folders are those in ``tiltyard.targets``, and those that other packages put into the namespace package
``tiltyard_targets``. They are looked for on first use.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, Field

from tiltyard.errors import TiltyardError, UsageError

TaskInput = Literal["text", "table"]
TaskTarget = str

OWN, OTHERS = "tiltyard.targets", "tiltyard_targets"
"""The packages in which folders of targets are found: our own, and a namespace for those of others."""

_Value = TypeVar("_Value")


@dataclass(frozen=True)
class TargetTraits:
    """What a model predicts: ``TARGET`` of a folder.

    Attributes:
        name: what code calls it.
        tasks: the name of the task, as the project file calls it, by what its models read.
        metric: by which versions are compared where the project names none.
        model_ending: how the name of a registered model ends where the project gives it none.
        extends: the target whose parts, metrics and shape of data it takes over where its folder has none; None for one
            that stands by itself.
        folder: the package it was found in.
    """

    name: TaskTarget
    tasks: Mapping[TaskInput, str]
    metric: str
    model_ending: str
    extends: TaskTarget | None = None
    folder: str = ""


@dataclass(frozen=True)
class TaskTraits:
    """One task.

    Attributes:
        name: as the project file calls it.
        input: what a model reads: one text, or the columns of a table.
        target: what it predicts: one class of several, or a number.
        metric: by which versions are compared where the project names none.
        model_ending: how the name of a registered model ends where the project gives it none.
    """

    name: str
    input: TaskInput
    target: TaskTarget
    metric: str
    model_ending: str


class Registered(Mapping[str, _Value]):
    """A mapping that is made when it is first used.

    Args:
        make: gives the entries in their order; called once.
    """

    def __init__(self, make: Callable[[], Mapping[str, _Value]]) -> None:
        self._make = cache(make)

    def __getitem__(self, name: str) -> _Value:
        return self._make()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._make())

    def __len__(self) -> int:
        return len(self._make())


def _find_targets() -> dict[str, TargetTraits]:
    found: dict[str, TargetTraits] = {}
    tasks: set[str] = set()
    for folder in _list_folders():
        target = _read_folder(folder)
        taken = {target.name} & set(found) | set(target.tasks.values()) & tasks
        if taken or (target.extends is not None and target.extends not in found):
            why = f"{taken.pop()!r} is taken" if taken else f"there is no target {target.extends!r} that it extends"
            raise _refuse_folder(folder, why)
        found[target.name] = target
        tasks |= set(target.tasks.values())
    return found


def _list_folders() -> list[str]:
    packages = [import_module(OWN)]
    try:
        packages.append(import_module(OTHERS))
    except ModuleNotFoundError as error:
        if error.name != OTHERS:
            raise _refuse_folder(OTHERS, str(error)) from error
    return [
        f"{package.__name__}.{module.name}"
        for package in packages
        for module in sorted(pkgutil.iter_modules(package.__path__), key=lambda module: module.name)
        if module.ispkg
    ]


def _read_folder(folder: str) -> TargetTraits:
    try:
        target = getattr(import_module(folder), "TARGET", None)
    except Exception as error:  # whatever a foreign module raises
        raise _refuse_folder(folder, f"{type(error).__name__}: {error}") from error
    if not isinstance(target, TargetTraits):
        raise _refuse_folder(folder, "it has no TARGET that is a TargetTraits")
    return replace(target, folder=folder)


def _refuse_folder(folder: str, why: str) -> TiltyardError:
    return TiltyardError(
        f"The target in {folder} cannot be used: {why}.",
        next_step="Correct the package that it came with, or remove it.",
        code="task.unusable-target",
    )


def _make_tasks() -> dict[str, TaskTraits]:
    return {
        name: TaskTraits(name, read, target.name, target.metric, target.model_ending)
        for target in TARGETS.values()
        for read, name in target.tasks.items()
    }


TARGETS: Mapping[TaskTarget, TargetTraits] = Registered(_find_targets)
"""What models predict, by name: our own targets, then those of other packages."""
TASKS: Mapping[str, TaskTraits] = Registered(_make_tasks)
"""The tasks by name."""
USUAL_TARGET: TaskTarget = "class"
"""What a label is read as where nothing says what it is."""


def _require_known(name: str) -> str:
    if name in TASKS:
        return name
    *most, last = map(repr, TASKS)
    raise ValueError(f"Input should be {', '.join(most)} or {last}")


def _list_names(schema: dict[str, Any]) -> None:
    schema["enum"] = list(TASKS)


Task = Annotated[str, AfterValidator(_require_known), Field(json_schema_extra=_list_names)]
"""The name of a task; checked where it is a field of a pydantic model."""


def reads_text(task: Task) -> bool:
    """Whether a model of the task reads one text, not the columns of a table."""
    return TASKS[task].input == "text"


def find_task(input_kind: TaskInput, target: TaskTarget) -> Task:
    """The task of so an input and so a target.

    Raises:
        UsageError: there is none.
    """
    tasks = TARGETS[target].tasks
    if input_kind not in tasks:
        raise UsageError(
            f"No task predicts a {target} from a {input_kind}.",
            next_step=f"Tasks of that target: {', '.join(tasks.values())}.",
            code="task.other-input",
        )
    return tasks[input_kind]


def is_kind_of(target: TaskTarget, other: TaskTarget) -> bool:
    """Whether a target is another one, or extends it."""
    return other in _list_lineage(target)


def narrow_target(shape: TaskTarget, target: TaskTarget | None) -> TaskTarget:
    """What data are of that tell their shape alone: the target, where they can be of it, else that of the shape.

    Args:
        shape: the target whose shape they have and that extends none: classes or numbers.
        target: what the version in service predicts; None where that is not known.
    """
    return target if target is not None and is_kind_of(target, shape) else shape


@cache
def _list_lineage(target: TaskTarget) -> tuple[TaskTarget, ...]:
    base = TARGETS[target].extends
    return (target,) if base is None else (target, *_list_lineage(base))
