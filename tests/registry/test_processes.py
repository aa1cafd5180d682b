"""What importing and opening the registry does to a process and its terminal."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests import fork_server

OPEN = """
import sys
from tiltyard.registry import MlflowRegistry, ExperimentTracker
uri = sys.argv[1]
MlflowRegistry(tracking_uri=uri).list_models()
tracker = ExperimentTracker("films", tracking_uri=uri, artifact_location=sys.argv[2])
with tracker.start_run("one"):
    tracker.log_metrics({"accuracy": 1.0})
"""


def start(code: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_two_at_once(tmp_path: Path) -> None:
    """Two processes that open a fresh SQLite store at once both succeed, and say nothing."""
    uri, artifacts = f"sqlite:///{tmp_path}/state/mlflow.db", (tmp_path / "artifacts").as_uri()
    program = tmp_path / "opens.py"
    program.write_text(OPEN, encoding="utf-8")
    command, pipe = [sys.executable, str(program), uri, artifacts], subprocess.PIPE
    # They are forked, so that both open it in the same moment: the seconds of their imports differ.
    running = [fork_server.popen(command, stdout=pipe, stderr=pipe) for _ in range(2)]
    for process in running:
        said, complained = process.communicate(timeout=120)
        assert (process.returncode, said, complained) == (0, "", "")


def test_importing_the_registry_imports_neither_mlflow_nor_plots() -> None:
    """To import the registry imports neither MLflow nor a plotting library."""
    code = (
        "import sys, tiltyard.registry; print(sorted({'mlflow', 'matplotlib', 'numba', 'alembic'} & set(sys.modules)))"
    )
    said, complained = start(code).communicate(timeout=60)
    assert (said, complained) == ("[]\n", "")
