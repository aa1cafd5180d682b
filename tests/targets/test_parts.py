"""A task is a strategy: what differs between targets stands in a folder for each, and nowhere else."""

from __future__ import annotations

import ast
import inspect
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

from tiltyard.tasks import TARGETS, TASKS, TaskPart

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "tiltyard"
PORTS = sorted(
    ".".join(file.relative_to(SOURCE.parent).with_suffix("").parts)
    for file in SOURCE.rglob("*.py")
    if "(TaskPart):" in file.read_text(encoding="utf-8")
)


def list_layers() -> list[set[str]]:
    """The packages of each layer, the topmost first, as import-linter holds them."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    [layers] = [contract["layers"] for contract in contracts if contract["type"] == "layers"]
    return [{name.strip() for name in layer.split("|")} for layer in layers]


def find_ports(module: str) -> list[type[TaskPart]]:
    """The ports that a module defines."""
    found = import_module(module)
    return [
        kind
        for kind in vars(found).values()
        if inspect.isclass(kind) and issubclass(kind, TaskPart) and kind.__module__ == module
    ]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("module", PORTS)
def test_each_target_has_each_part(module: str, target: str) -> None:
    """Each package states one port, and the folder of each target implements it, with every attribute."""
    [port] = find_ports(module)
    part = port.find_for_target(target)
    assert isinstance(part, port)
    for name in inspect.get_annotations(port):
        assert hasattr(part, name), name


@pytest.mark.parametrize("target", TARGETS)
def test_a_folder_has_nothing_but_parts(target: str) -> None:
    """The folder of a target has a module for each package with a port, and no other."""
    folder = SOURCE.parent / Path(*TARGETS[target].folder.split("."))
    modules = {file.stem for file in folder.glob("*.py")} - {"__init__"}
    assert modules == {module.split(".")[1] for module in PORTS}


@pytest.mark.parametrize("target", TARGETS)
def test_a_part_imports_nothing_above_its_package(target: str) -> None:
    """What a package loads by name imports only what the package may import, and the description only ``tasks``."""
    layers = list_layers()
    height = {name: place for place, layer in enumerate(layers) for name in layer}
    height["__init__"] = height["tasks"]
    folder = SOURCE.parent / Path(*TARGETS[target].folder.split("."))
    for file in sorted(folder.glob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("tiltyard."):
                imported = node.module.split(".")[1]
                assert height[imported] >= height[file.stem], f"{file.name} imports {node.module}"


def test_tasks_are_compared_nowhere_else() -> None:
    """Outside of ``tasks`` and ``targets`` no code compares a task or a target with a name, or asks which it is."""
    found = []
    for file in sorted(SOURCE.rglob("*.py")):
        if file.relative_to(SOURCE).parts[0] in {"tasks", "targets"}:
            continue
        nodes = ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        compared = (node for node in nodes if isinstance(node, ast.Compare) and _names_a_task(node))
        found += [f"{file.relative_to(SOURCE)}:{node.lineno}: {ast.unparse(node)}" for node in compared]
    assert found == []


def _names_a_task(node: ast.Compare) -> bool:
    """Whether a comparison is of a target with its name, or with the name of a task."""
    sides = [node.left, *node.comparators]
    names = {part.value for side in sides for part in ast.walk(side) if isinstance(part, ast.Constant)}
    if names & set(TASKS):
        return True
    said = {ast.unparse(side).rpartition(".")[2] for side in sides}
    return bool(names & set(TARGETS)) and bool(said & {"target", "task"})


def test_a_branch_on_a_target_is_seen() -> None:
    """The search above sees the forms in which such a branch is written."""
    for written in (
        'metric.target == "number"',
        'TASKS[task].target != "class"',
        'target in ("class",)',
        'task == "text-regression"',
    ):
        [node] = [one for one in ast.walk(ast.parse(written)) if isinstance(one, ast.Compare)]
        assert _names_a_task(node), written
