"""The page of requirements: its last column follows from the tests that carry a row's id by a marker."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "requirements.md"
TESTS = ROOT / "tests"
ROW = re.compile(r"(?<!\\)\|")
NO_PROOF = "—"
# Marks with which pytest does not run a test at all, or lets it fail.
UNPROVEN = {"skip", "xfail"}


@dataclass(frozen=True, order=True)
class Proof:
    """A test that names a row: its file, its name, and what keeps it from being a proof or from ``make test``."""

    row: str
    file: str
    test: str
    marks: frozenset[str] = frozenset()


def render_requirements() -> str:
    """The page as it stands, with the tests of each row in its last column."""
    return fill_column(PAGE.read_text("utf-8"), list(find_proofs(TESTS)))


def fill_column(page: str, proofs: list[Proof]) -> str:
    """A page with the tests of each row in its last column, in the order of their files."""
    lines = page.splitlines()
    for place, line in enumerate(lines):
        if line.startswith("| R-"):
            cells = split_row(line)
            cells[-1] = _list_tests([proof for proof in proofs if proof.row == cells[0]])
            lines[place] = f"| {' | '.join(cells)} |"
    return "\n".join(lines) + "\n"


def find_faults(page: str, proofs: list[Proof]) -> list[str]:
    """What is wrong with a page: rows ticked without a test, tests of unknown rows, open rows without a reason."""
    rows = [split_row(line) for line in page.splitlines() if line.startswith("| R-")]
    known = {cells[0] for cells in rows}
    faults = [
        f"{row}: the page has this row {number} times"
        for row, number in Counter(r[0] for r in rows).items()
        if number > 1
    ]
    for proof in proofs:
        if proof.row not in known:
            faults.append(f"{proof.file}::{proof.test}: names {proof.row!r}, which is not a row of the page")
        if proof.marks & UNPROVEN:
            faults.append(f"{proof.file}::{proof.test}: proves {proof.row} and is marked {min(proof.marks & UNPROVEN)}")
    proven = {proof.row for proof in proofs if not proof.marks & UNPROVEN}
    for row, _, _, status, shown, *_ in rows:
        if status not in {"`[x]`", "`[ ]`"}:
            faults.append(f"{row}: the status is {status}, not `[x]` or `[ ]`")
        if status == "`[x]`" and row not in proven:
            faults.append(f"{row}: ticked, and no test is marked @pytest.mark.requirement({row!r})")
        if status == "`[ ]`" and not re.search(r"\w{2}", re.sub(r"`[^`]*`|\]\([^)]*\)", "", shown)):
            faults.append(f"{row}: not ticked, and its row does not say what is missing")
    if page != fill_column(page, proofs):
        faults.append("the column of tests is not up to date: run python docs/generate.py")
    return faults


def find_proofs(tests: Path) -> Iterator[Proof]:
    """Every test below a folder that names rows by ``@pytest.mark.requirement("R-…")``, read without importing it."""
    for file in sorted(tests.rglob("test_*.py")):
        text = file.read_text("utf-8")
        if "mark.requirement(" not in text:
            continue
        tree = ast.parse(text)
        shared = {name for node in tree.body if _assigns_marks(node) for name in _mark_names(node)}
        for node in tree.body:
            inner = (
                [(f"{node.name}::", child) for child in node.body] if isinstance(node, ast.ClassDef) else [("", node)]
            )
            for prefix, child in inner:
                if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                    yield from _read_test(file.relative_to(tests.parent).as_posix(), prefix, child, shared)


def split_row(line: str) -> list[str]:
    """The cells of a table's row."""
    return [cell.strip() for cell in ROW.split(line)[1:-1]]


def _read_test(
    file: str, prefix: str, node: ast.FunctionDef | ast.AsyncFunctionDef, shared: set[str]
) -> Iterator[Proof]:
    marks = frozenset(shared.union(*(_mark_names(mark) for mark in node.decorator_list)))
    for mark in node.decorator_list:
        if isinstance(mark, ast.Call) and "requirement" in _mark_names(mark):
            # A fixture or a helper is not collected by pytest and proves nothing.
            kept = marks if node.name.startswith("test_") else marks | {"skip"}
            for word in mark.args:
                yield Proof(str(ast.literal_eval(word)), file, prefix + node.name, kept - {"requirement"})


def _assigns_marks(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "pytestmark" for t in node.targets)


def _mark_names(node: ast.AST) -> set[str]:
    """The names of the marks of pytest in an expression: ``requirement`` of ``pytest.mark.requirement(…)``."""
    return {
        one.attr
        for one in ast.walk(node)
        if isinstance(one, ast.Attribute) and isinstance(one.value, ast.Attribute) and one.value.attr == "mark"
    }


def _list_tests(proofs: list[Proof]) -> str:
    if not proofs:
        return NO_PROOF
    return "<br>".join(
        f"`{proof.file}::{proof.test}`{' (`make proof`)' if 'proof' in proof.marks else ''}" for proof in proofs
    )
