"""The tutorial by the command line prints what its page shows."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import shlex
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import httpx
import pytest

from tests.films import Films, serving
from tests.pages.blocks import ROOT
from tests.pages.curl import read_curl

SERVING = "Serving tumours-classifier at {0}\n  dashboard {0}/\n  docs      {0}/docs\n  health    {0}/health\n"


@pytest.fixture(scope="module")
def transcripts() -> ModuleType:
    """The script of the page as a module."""
    spec = importlib.util.spec_from_file_location("transcripts", ROOT / "docs" / "transcripts.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class QuickTerminal:
    """A terminal as the script has it, with commands that do not import everything again and any free port."""

    def __init__(self, folder: Path) -> None:
        self._films = Films(folder)
        self._url = ""
        self.server = contextlib.ExitStack()

    def run(self, command: str) -> str:
        """What a command prints."""
        if command.startswith("python - <<"):
            with contextlib.chdir(self._films.root):
                exec("\n".join(command.splitlines()[1:-1]), {})
            return ""
        words = shlex.split(command.replace("\\\n", " "))
        if words == ["tiltyard", "serve"]:
            self._url, _ = self.server.enter_context(serving(self._films, "--port", "0"))
            return f"{SERVING.format(self._url)}Press Ctrl-C to stop.\n"
        if words[0] == "curl":
            return httpx.request(**read_curl(words, self._url, {})).text
        if words[0] == "tiltyard":
            return self._films.call(*words[1:], check=False).stdout
        done = subprocess.run(["/bin/sh", "-c", command], cwd=self._films.root, check=True, capture_output=True)
        return done.stdout.decode()


@pytest.fixture
def terminal(tmp_path: Path, fresh_store: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[QuickTerminal]:
    """A terminal in a folder of the tutorial's name."""
    monkeypatch.setenv("LOGNAME", "ann")
    monkeypatch.setenv("COLUMNS", "110")
    (tmp_path / "tumours" / ".tiltyard").mkdir(parents=True)
    shutil.copyfile(fresh_store, tmp_path / "tumours" / ".tiltyard" / "mlflow.db")
    opened = QuickTerminal(tmp_path / "tumours")
    with opened.server:
        yield opened


def test_the_commands_print_what_the_page_shows(transcripts: ModuleType, terminal: QuickTerminal) -> None:
    """Each output on the page has the words that its commands print now; `docs/transcripts.py` writes it again."""
    page = transcripts.PAGE.read_text("utf-8")
    printed = transcripts.write_outputs(page, terminal.run)
    # A narrow cell may be wrapped within a word, and where depends on the digits next to it: letters are compared.
    difference = Counter("".join(transcripts.list_words(printed)))
    difference.subtract("".join(transcripts.list_words(page)))
    assert {letter: count for letter, count in difference.items() if count} == {}, printed


PYTHON_PAGE = """Words.

```python
frame = 7
print("printed")
frame
```

```text
of an earlier run
```

More words.

```python
frame += 1
```
"""


def test_python_blocks_get_what_their_cells_print_and_show(transcripts: ModuleType, tmp_path: Path) -> None:
    """Cells run in one process; each block gets what it prints and its last value, and a silent block gets nothing."""
    cells = [block["code"].rstrip() for block in transcripts.CELL.finditer(PYTHON_PAGE)]
    outputs = transcripts.run_cells(cells, tmp_path, Path(sys.executable))
    assert outputs[0] == {"printed": "printed\n", "value": "7", "html": None}
    written = transcripts.write_cells(PYTHON_PAGE, outputs)
    assert written == PYTHON_PAGE.replace("of an earlier run", "printed\n7")
    assert transcripts.write_cells(written, outputs) == written
    notebook = json.dumps({"cells": [{"cell_type": "markdown"}, *({"cell_type": "code"} for _ in cells)]})
    first, second = json.loads(transcripts.write_notebook(notebook, outputs))["cells"][1:]
    assert [output["output_type"] for output in first["outputs"]] == ["stream", "execute_result"]
    assert (first["outputs"][1]["data"], second["outputs"]) == ({"text/plain": ["7"]}, [])
    with pytest.raises(RuntimeError, match="the cells ended with exit code 1"):
        transcripts.run_cells(["1 / 0"], tmp_path, Path(sys.executable))
