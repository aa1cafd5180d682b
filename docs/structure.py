"""Writes the picture of the structure (``python docs/structure.py``); ``--check`` says what is wrong with it.

The packages, their modules and who imports whom, read from the source by ``ast``; nothing of it is imported. With
``--summary FOLDER`` the figures of another checkout are printed, for comparison.
"""

from __future__ import annotations

import ast
import statistics
import sys
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = Path(__file__).parent / "structure.md"
PACKAGE = "tiltyard"
MOST_ROOMS, MOST_LINES, MOST_MEDIAN = 16, 400, 129
SIZES = "## Sizes"

# What ``--summary`` printed for a checkout from before the packages got two levels.
BEFORE_COMMIT = "98c1205"
BEFORE: Mapping[str, str] = {
    "packages": "31",
    "modules (without `__init__`)": "444",
    "lines": "57724",
    "most rooms in a package (`tiltyard` itself left out)": "38",
    "packages with more than 16 rooms": (
        "serving 38, cli 37, pipeline 36, models 31, data.validation 28, registry 27, ledger 24, monitoring 22, "
        "scoring 18, evaluation 17"
    ),
    "imports between parts that lead upwards": "0",
    "circles among the rooms of a package": "0",
    "lines of the median module": "109",
    "lines of the largest module": "387",
    "modules over 300 lines": "17",
    "modules under 25 lines": "13",
}


@dataclass(frozen=True)
class Module:
    """A module.

    Attributes:
        name: its dotted name; of a package's ``__init__``, the package's.
        package: whether it is the ``__init__`` of a package.
        lines: how many it has.
        imports: dotted names of the modules of the same source that it imports, wherever in the module.
    """

    name: str
    package: bool
    lines: int
    imports: frozenset[str]


@dataclass(frozen=True)
class Structure:
    """All modules of a source tree by dotted name, and the layers of its packages, the highest first."""

    modules: Mapping[str, Module]
    layers: tuple[frozenset[str], ...]

    @cached_property
    def packages(self) -> tuple[str, ...]:
        """Dotted names of the packages."""
        return tuple(sorted(name for name, module in self.modules.items() if module.package))

    @cached_property
    def files(self) -> tuple[Module, ...]:
        """The modules that are not the ``__init__`` of a package."""
        return tuple(module for module in self.modules.values() if not module.package)

    @property
    def median(self) -> float:
        """Median of the lines of the modules, those of ``__init__`` left out."""
        return statistics.median(module.lines for module in self.files)

    def rooms(self, package: str) -> list[str]:
        """Names of the modules and packages directly in a package."""
        inside = (name.removeprefix(f"{package}.") for name in self.modules if name.startswith(f"{package}."))
        return sorted({name.partition(".")[0] for name in inside})

    def inside(self, package: str) -> list[Module]:
        """All modules in a package and the packages below it."""
        return [each for name, each in self.modules.items() if name == package or name.startswith(f"{package}.")]

    def sibling_imports(self, package: str) -> dict[str, Counter[str]]:
        """By room of a package, how many imports lead from its modules to which other room."""
        edges: dict[str, Counter[str]] = defaultdict(Counter)
        for room in self.rooms(package):
            for module in self.inside(f"{package}.{room}"):
                targets = (target for target in module.imports if target.startswith(f"{package}."))
                others = (target.removeprefix(f"{package}.").partition(".")[0] for target in targets)
                edges[room].update(other for other in others if other != room)
        return edges

    def layer(self, part: str) -> int:
        """Place of a part in the layers, 0 for the highest."""
        return next((place for place, layer in enumerate(self.layers) if part in layer), len(self.layers))


def read_structure(checkout: Path) -> Structure:
    """Read the modules below ``src`` and the layers of ``pyproject.toml``."""
    source = checkout / "src"
    files = sorted((source / PACKAGE).rglob("*.py"))
    names = {_dotted_name(file.relative_to(source)): file for file in files}
    modules = {}
    for name, file in names.items():
        text = file.read_text(encoding="utf-8")
        package = file.name == "__init__.py"
        imports = frozenset(_imports(ast.parse(text), name, package, names.keys())) - {name}
        modules[name] = Module(name, package, len(text.splitlines()), imports)
    with (checkout / "pyproject.toml").open("rb") as settings:
        contracts = tomllib.load(settings)["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    return Structure(modules, tuple(frozenset(layer.replace(" ", "").split("|")) for layer in layers))


def find_faults(structure: Structure) -> list[str]:
    """What breaks the rules, a sentence each."""
    faults = []
    for package in structure.packages:
        rooms = structure.rooms(package)
        if package != PACKAGE and len(rooms) > MOST_ROOMS:
            faults.append(f"{package} has {len(rooms)} rooms; {MOST_ROOMS} is the limit.")
        faults += [
            f"The rooms {', '.join(cycle)} of {package} import each other in a circle."
            for cycle in find_cycles(structure.sibling_imports(package))
        ]
    for part, targets in structure.sibling_imports(PACKAGE).items():
        faults += [
            f"{part} imports {target}, which is not below it."
            for target in sorted(targets)
            if structure.layer(target) <= structure.layer(part)
        ]
    faults += [
        f"{module.name} has {module.lines} lines; {MOST_LINES} is the limit."
        for module in structure.modules.values()
        if module.lines > MOST_LINES
    ]
    if structure.median > MOST_MEDIAN:
        faults.append(f"The median module has {structure.median:g} lines; {MOST_MEDIAN} is the limit.")
    return faults


def find_cycles(edges: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """Groups of nodes that reach each other, each sorted."""
    reached = {node: _reach(node, edges) for node in edges}
    groups = {
        tuple(sorted(other for other in reached[node] if node in reached.get(other, ())))
        for node in edges
        if node in reached[node]
    }
    return [list(group) for group in sorted(groups)]


def structure_page(structure: Structure) -> str:
    """The page, as Markdown."""
    parts = sorted(structure.rooms(PACKAGE), key=lambda part: (structure.layer(part), part))
    edges = structure.sibling_imports(PACKAGE)
    lines = [
        "# The structure",
        "",
        "`python docs/structure.py` makes this page from the source. `python docs/structure.py --check` fails where a",
        f"package other than `{PACKAGE}` has more than {MOST_ROOMS} rooms (modules and packages in it), where",
        "rooms of a package import each other in a circle, where an import leads upwards, where a module has more",
        f"than {MOST_LINES} lines or the median module more than {MOST_MEDIAN}, and where this page is out of date.",
        "Line counts are those of the last run and may be older than the rest.",
        "",
        "## Parts, from the top down",
        "A part imports only parts that stand below it here. The number of imports is in brackets.",
        "",
        "| part | modules | lines | imports |",
        "|---|--:|--:|---|",
    ]
    for part in parts:
        inside = structure.inside(f"{PACKAGE}.{part}")
        targets = sorted(edges[part], key=lambda other: (structure.layer(other), other))
        cells = ", ".join(f"{other} ({edges[part][other]})" for other in targets)
        lines.append(f"| `{part}` | {len(inside)} | {_count_lines(inside)} | {cells or 'none'} |")
    lines += ["", "## Packages and their rooms", "", "| package | rooms | lines | the rooms |", "|---|--:|--:|---|"]
    for package in structure.packages:
        rooms = structure.rooms(package)
        marked = ", ".join(f"{room}/" if f"{package}.{room}" in structure.packages else room for room in rooms)
        lines.append(f"| `{package}` | {len(rooms)} | {_count_lines(structure.inside(package))} | {marked} |")
    rows = [f"| {name} | {BEFORE.get(name, '')} | {value} |" for name, value in summary(structure).items()]
    lines += ["", SIZES, "", f"Before the packages got two levels (commit {BEFORE_COMMIT}), and now:", ""]
    lines += ["| figure | before | now |", "|---|--:|--:|", *rows, "", *_sizes(structure)]
    return "\n".join(lines) + "\n"


def summary(structure: Structure) -> dict[str, str]:
    """The figures of a source tree, by what they are."""
    edges = structure.sibling_imports(PACKAGE)
    upwards = sum(
        count
        for part, targets in edges.items()
        for target, count in targets.items()
        if structure.layer(target) <= structure.layer(part)
    )
    rooms = {package: len(structure.rooms(package)) for package in structure.packages if package != PACKAGE}
    crowded = sorted((package for package in rooms if rooms[package] > MOST_ROOMS), key=lambda each: -rooms[each])
    cycles = [cycle for package in structure.packages for cycle in find_cycles(structure.sibling_imports(package))]
    return {
        "packages": f"{len(structure.packages)}",
        "modules (without `__init__`)": f"{len(structure.files)}",
        "lines": f"{_count_lines(structure.modules.values())}",
        f"most rooms in a package (`{PACKAGE}` itself left out)": f"{max(rooms.values())}",
        f"packages with more than {MOST_ROOMS} rooms": ", ".join(
            f"{package.removeprefix(f'{PACKAGE}.')} {rooms[package]}" for package in crowded
        )
        or "none",
        "imports between parts that lead upwards": f"{upwards}",
        "circles among the rooms of a package": f"{len(cycles)}",
        "lines of the median module": f"{structure.median:g}",
        "lines of the largest module": f"{max(module.lines for module in structure.files)}",
        "modules over 300 lines": f"{sum(module.lines > 300 for module in structure.files)}",
        "modules under 25 lines": f"{sum(module.lines < 25 for module in structure.files)}",
    }


def _sizes(structure: Structure) -> list[str]:
    ordered = sorted(structure.files, key=lambda module: (-module.lines, module.name))
    rows = ["| the largest | lines | the smallest | lines |", "|---|--:|---|--:|"]
    for large, small in zip(ordered[:15], ordered[::-1][:15], strict=True):
        rows.append(f"| `{large.name}` | {large.lines} | `{small.name}` | {small.lines} |")
    return rows


def _imports(tree: ast.Module, name: str, package: bool, known: Iterable[str]) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (found for alias in node.names if (found := _known(alias.name, known)))
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = name.split(".")[: len(name.split(".")) - node.level + package]
                base = ".".join([*parents, *([node.module] if node.module else [])])
            for alias in node.names:
                found = _known(f"{base}.{alias.name}", known)
                if found:
                    yield found


def _known(name: str, known: Iterable[str]) -> str | None:
    """The module that is imported by a dotted name: itself, or the one that holds what is named last."""
    while name and name not in known:
        name = name.rpartition(".")[0]
    return name or None


def _dotted_name(file: Path) -> str:
    parts = file.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _reach(start: str, edges: Mapping[str, Iterable[str]]) -> set[str]:
    reached: set[str] = set()
    waiting = [start]
    while waiting:
        for target in edges.get(waiting.pop(), ()):
            if target not in reached:
                reached.add(target)
                waiting.append(target)
    return reached


def _count_lines(modules: Iterable[Module]) -> int:
    return sum(module.lines for module in modules)


def _without_lines(page: str) -> list[list[str]]:
    """The cells of the page up to its sizes, without the column of lines."""
    rows = [line.split("|") for line in page.partition(SIZES)[0].splitlines()]
    return [row[:3] + row[4:] if len(row) > 4 else row for row in rows]


def main() -> int:
    """Write the page, or print what is wrong with the structure or the page."""
    if "--summary" in sys.argv:
        checkout = Path(sys.argv[sys.argv.index("--summary") + 1])
        print("\n".join(f"{name!r}: {value!r}," for name, value in summary(read_structure(checkout)).items()))
        return 0
    structure = read_structure(ROOT)
    page = structure_page(structure)
    if "--check" not in sys.argv:
        PAGE.write_text(page, encoding="utf-8")
        return 0
    faults = find_faults(structure)
    if not PAGE.exists() or _without_lines(PAGE.read_text(encoding="utf-8")) != _without_lines(page):
        faults.append("docs/structure.md is out of date: run `python docs/structure.py`.")
    print("\n".join(faults))
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
