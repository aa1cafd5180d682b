"""What the targets of the Makefile run, read from make itself, and that the linter is clean here."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent


def read_plan(target: str, *words: str) -> str:
    """The commands that make would run for a target, one after the other (``make --dry-run``)."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "PYTEST"))}
    command = ["make", "--dry-run", *words, target]
    done = subprocess.run(command, cwd=ROOT, env=clean, capture_output=True, text=True, check=True, timeout=600)
    return done.stdout


@pytest.mark.requirement("R-DEPLOY-10", "R-DOC-01")
def test_setup_installs_the_lock_with_uv(tmp_path: Path) -> None:
    """``make setup`` installs uv by its hash, and with it the developers' lock by hashes and the package itself."""
    plan = read_plan("setup", f"VENV={tmp_path / 'fresh'}")
    order = [
        plan.index(line)
        for line in (
            "pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt",
            "--require-hashes -r requirements/dev.txt",
            "--no-deps --no-build-isolation -e .",
        )
    ]
    assert order == sorted(order)
    assert "/uv pip install" in plan


@pytest.mark.requirement("R-CI-02")
def test_lint_is_clean_here_and_finds_a_mistake(tmp_path: Path) -> None:
    """``make lint`` finds nothing in this tree, and an unused import and a line too long in another file."""
    assert "/ruff check ." in read_plan("lint")
    command = [str(BIN / "ruff"), "check", "--no-cache", "--config", str(ROOT / "pyproject.toml")]
    clean = subprocess.run([*command, "."], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert clean.returncode == 0, clean.stdout
    (tmp_path / "mistake.py").write_text(f'"""A module."""\n\nimport os\n\nLINE = "{"x" * 130}"\n', encoding="utf-8")
    found = subprocess.run([*command, str(tmp_path)], capture_output=True, text=True, check=False, timeout=120)
    assert found.returncode == 1
    assert {"F401", "E501"} <= set(found.stdout.split())


def test_lock_moves_pins_on_request_only() -> None:
    """``make lock`` keeps the pins that fit; UPGRADE=1 takes the newest of all packages, a list of names only of these.

    A pin moves only with another range, or on purpose.
    """
    assert "--upgrade" not in read_plan("lock")
    assert read_plan("lock", "UPGRADE=1").count(" --upgrade ") == 3
    named = read_plan("lock", "UPGRADE=mlflow pandas")
    assert named.count("--upgrade-package mlflow --upgrade-package pandas ") == 3


@pytest.mark.requirement("R-CI-03", "R-CI-04")
def test_check_and_coverage_run_every_test() -> None:
    """``make check`` lints, types and tests; ``make coverage`` writes coverage.xml; pytest collects all of tests/."""
    check, coverage = read_plan("check"), read_plan("coverage")
    for part in ("ruff format --check .", "ruff check .", "mypy", "lint-imports", "-m pytest"):
        assert part in check
    assert "-m pytest" in coverage
    assert "--cov=tiltyard --cov-report=xml" in coverage
    options = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["pytest"]["ini_options"]
    assert options["testpaths"] == ["tests"]
    assert options["addopts"][-2:] == ["-m", "not proof"]


@pytest.mark.requirement("R-DOC-06")
def test_the_project_names_where_to_report_and_ask() -> None:
    """SECURITY.md says where to report a hole, CONTRIBUTING.md where to report a fault, and the package where it is."""
    security = (ROOT / "SECURITY.md").read_text("utf-8")
    assert "Report a vulnerability" in security
    contributing = (ROOT / "CONTRIBUTING.md").read_text("utf-8").lower()
    assert "issue" in contributing
    urls = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["urls"]
    assert urls["Issues"].endswith("/issues")
