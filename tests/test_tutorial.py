"""The tutorial and its notebook run as they are written."""

from __future__ import annotations

import ast
import asyncio
import inspect
import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

TUTORIAL = Path(__file__).parents[1] / "docs" / "tutorial"
NOTEBOOK = TUTORIAL / "first-champion.ipynb"


def read_cells() -> list[str]:
    cells = json.loads(NOTEBOOK.read_text("utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


@pytest.fixture
def fresh_folder(tmp_path: Path, fresh_store: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder, in which MLflow's tables are made already."""
    (tmp_path / ".tiltyard").mkdir()
    shutil.copy(fresh_store, tmp_path / ".tiltyard" / "mlflow.db")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_notebook_runs_in_a_running_event_loop(fresh_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The cells of the notebook, run in order as Jupyter runs them, end with a served champion and with drift found."""
    scope: dict[str, Any] = {"__name__": "__main__"}
    try:
        asyncio.run(run_cells(read_cells(), scope))
    finally:
        if "server" in scope:
            scope["server"].stop()
            scope["thread"].join(30)
    assert not scope["thread"].is_alive()
    assert scope["response"]["prediction"] == "malignant"
    assert scope["measured"]["labelled_predictions"] == 171
    assert scope["measured"]["accuracy"] > 0.9
    printed = capsys.readouterr().out
    shown = re.findall(r"```text\n(.*?)```", (TUTORIAL / "python.md").read_text("utf-8"), re.DOTALL)
    assert printed.splitlines() == "".join(shown).splitlines()


async def run_cells(cells: list[str], scope: dict[str, Any]) -> None:
    """Run our own notebook as Jupyter does, which shows the value of a cell's last line where it has one."""
    for number, cell in enumerate(cells):
        *before, last = ast.parse(cell).body
        steps: list[ast.Module | ast.Expression] = [ast.Module(before, [])]
        steps.append(ast.Expression(last.value) if isinstance(last, ast.Expr) else ast.Module([last], []))
        for step in steps:
            mode = "eval" if isinstance(step, ast.Expression) else "exec"
            code = compile(step, f"cell {number}", mode, flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
            result = eval(code, scope)
            if inspect.isawaitable(result):
                result = await result
        if result is not None:
            sys.stdout.write(f"{result}\n")


def test_the_tutorial_shows_the_cells_of_the_notebook() -> None:
    """A reader of the page reads the same code as one of the notebook."""
    page = (TUTORIAL / "python.md").read_text("utf-8")
    assert [block.rstrip() for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL)] == read_cells()
