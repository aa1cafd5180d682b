"""The Python of every page runs as it stands, in a project with a served champion."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any
from unittest import mock

import mlflow
import pytest

from tests.films import environment
from tests.pages.blocks import Block, read_blocks
from tests.pages.conftest import Stand
from tests.pages.python_pages import PYTHON, Page

# Held by other tests, each named with the pages' blocks that it holds.
ELSEWHERE = {
    "docs/reference/python.md": "tests/test_docs.py::test_the_reference_pages_match_the_code",
    "docs/tutorial/python.md": "tests/test_tutorial.py::test_the_tutorial_shows_the_cells_of_the_notebook",
}
# The blocks that are not run, by their last lines, with the reason.
NOT_RUN = {
    'ModelServer(model_name="films-classifier", model_stage="Production", port=8050).run()': (
        "serves until it is ended; the tutorial's cells run the same call in a thread"
    ),
}
BLOCKS = [block for block in read_blocks() if block.language == "python"]
PAGES = sorted({block.page for block in BLOCKS} - set(ELSEWHERE))


@pytest.mark.parametrize("page", [page for page in PAGES if not PYTHON[page].fresh])
@pytest.mark.filterwarnings("ignore")
def test_the_python_of_a_page_runs(page: str, stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pasted one after the other, the blocks of a page run, and what the page promises holds."""
    run_page(page, PYTHON[page], stand, stand.films.root, monkeypatch)


@pytest.mark.parametrize("page", [page for page in PAGES if PYTHON[page].fresh])
@pytest.mark.filterwarnings("ignore")
def test_the_python_of_a_guide_runs_in_an_empty_folder(
    page: str, tmp_path: Path, fresh_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guides to the classes of Python need nothing but themselves."""
    (tmp_path / ".tiltyard").mkdir()
    shutil.copyfile(fresh_store, tmp_path / ".tiltyard" / "mlflow.db")
    run_page(page, PYTHON[page], None, tmp_path, monkeypatch)


def run_page(page: str, how: Page, stand: Stand | None, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    for name in set(os.environ) - set(environment()):
        monkeypatch.delenv(name)
    names: dict[str, Any] = {"__name__": "page", **(how.give(stand) if stand else {})}
    code = "\n".join(block.text for block in BLOCKS if block.page == page and last_line(block) not in NOT_RUN)
    with mock.patch.dict(os.environ):  # MLflow keeps the address that a page sets in the environment, too
        try:
            exec(compile(how.prepare(code, stand) if stand else code, page, "exec"), names)
            how.check(names)
        finally:
            mlflow.set_tracking_uri(None)


def last_line(block: Block) -> str:
    return block.text.rstrip().splitlines()[-1]
