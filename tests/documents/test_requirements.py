"""No row of docs/requirements.md is ticked without a test that carries its id."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = """# Requirements

| id | feature | requested in | status | shown by | proved by |
|---|---|---|---|---|---|
| R-A-01 | One | Doc | `[x]` | `tiltyard one` | {one} |
| R-A-02 | Two | Doc | `[ ]` | `tiltyard two`; not tried on a cloud | {two} |
"""
TEST = '''"""Tests."""

import pytest


@pytest.mark.requirement("R-A-01")
def test_one() -> None:
    """One."""
'''
GOOD = {"one": "`tests/test_one.py::test_one`", "two": "—"}


def check(*words: str) -> tuple[int, list[str]]:
    command = [sys.executable, "docs/check_requirements.py", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=600)
    assert not done.stderr
    return done.returncode, done.stdout.splitlines()


def test_every_ticked_row_has_a_test_and_every_marker_a_row() -> None:
    """Ticked rows are carried by tests that run, markers name rows, and open rows say what is missing."""
    code, faults = check()
    assert code == 0, "\n".join(faults)
    assert (ROOT / "docs" / "requirements.md").read_text("utf-8").count("\n| R-") >= 200


@pytest.mark.parametrize(
    ("page", "test", "fault"),
    [
        ((), (), ""),
        ((), ('"R-A-01"', '"R-A-02"'), "R-A-01: ticked, and no test is marked"),
        ((), ('"R-A-01"', '"R-A-01", "R-B-07"'), "tests/test_one.py::test_one: names 'R-B-07', which is not a row"),
        ((), ("@pytest", "@pytest.mark.skip\n@pytest"), "test_one: proves R-A-01 and is marked skip"),
        ((), ("import pytest\n", "import pytest\n\npytestmark = pytest.mark.xfail\n"), "is marked xfail"),
        ((), ("test_one", "make_one"), "R-A-01: ticked, and no test is marked"),
        (("; not tried on a cloud", ""), (), "R-A-02: not ticked, and its row does not say what is missing"),
        (("`[ ]`", "yes"), (), "R-A-02: the status is yes"),
        (("R-A-02", "R-A-01"), (), "R-A-01: the page has this row 2 times"),
        ((GOOD["one"], "`tests/test_other.py::test_it`"), (), "the column of tests is not up to date"),
    ],
)
def test_each_fault_of_a_page_is_named(
    tmp_path: Path, page: tuple[str, str] | tuple[()], test: tuple[str, str] | tuple[()], fault: str
) -> None:
    """A page and tests that agree pass; each way in which they do not is one named fault."""
    tests = tmp_path / "tests"
    tests.mkdir()
    (tests / "test_one.py").write_text(TEST.replace(*test) if test else TEST, encoding="utf-8")
    text = PAGE.format(**GOOD)
    (tmp_path / "page.md").write_text(text.replace(*page) if page else text, encoding="utf-8")
    code, faults = check(str(tmp_path / "page.md"), str(tests))
    assert code == int(bool(fault))
    assert any(fault in line for line in faults) or not fault


def test_a_test_of_make_proof_is_kept_apart(tmp_path: Path) -> None:
    """A proof that ``make test`` leaves out is marked so in the column."""
    tests = tmp_path / "tests"
    tests.mkdir()
    (tests / "test_one.py").write_text(TEST.replace("@pytest", "@pytest.mark.proof\n@pytest"), encoding="utf-8")
    column = GOOD | {"one": f"{GOOD['one']} (`make proof`)"}
    (tmp_path / "page.md").write_text(PAGE.format(**column), encoding="utf-8")
    assert check(str(tmp_path / "page.md"), str(tests)) == (0, [])
