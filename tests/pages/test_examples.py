"""The examples run: the loop from Python, and the steps of a pipeline by their own page."""

from __future__ import annotations

import runpy
import shutil
import sys
from pathlib import Path

import pytest

from tests import fork_server
from tests.films import environment
from tests.pages.blocks import ROOT, read_blocks, split_commands

EXAMPLES = ROOT / "examples"
PAGE = "examples/ci/README.md"
# What each step of the pipeline has to print.
PRINTED = {
    "validate_data.py": "quality",
    "train_model.py": "personality_model version 1:",
    "register_model.py": "personality_model version 1 (",
    "deploy_model.py": "challenger",
    "test_model_api.py": "Version 1 predicts Introvert",
    "promote_model.py": "champion",
}


@pytest.fixture
def folder(tmp_path: Path, fresh_store: Path) -> Path:
    """A copy of the steps with their data, with MLflow's tables made already."""
    shutil.copytree(EXAMPLES / "ci", tmp_path / "ci", ignore=shutil.ignore_patterns(".tiltyard"))
    shutil.copytree(EXAMPLES / "personality" / "data", tmp_path / "personality" / "data")
    (tmp_path / "ci" / ".tiltyard").mkdir()
    shutil.copyfile(fresh_store, tmp_path / "ci" / ".tiltyard" / "mlflow.db")
    return tmp_path / "ci"


@pytest.mark.requirement("R-CI-05", "R-CI-08", "R-CI-09", "R-REG-23", "R-DOC-03")
@pytest.mark.journey
def test_the_steps_of_a_pipeline_run_in_order(folder: Path) -> None:
    """The commands of the page, one after the other, end with a promoted version; each shows what it did."""
    [block] = [block for block in read_blocks() if block.page == PAGE and block.language == "bash"]
    commands = split_commands(block)
    assert [Path(words[1]).name for words in commands] == list(PRINTED)
    for python, script, *options in commands:
        assert python == "python"
        command = [sys.executable, str(folder / script), *options]
        done = fork_server.run(command, cwd=folder, env=environment(), timeout=120)
        assert done.returncode == 0, f"{script}: {done.stdout}{done.stderr}"
        assert PRINTED[Path(script).name] in done.stdout, f"{script}: {done.stdout}"


@pytest.mark.requirement("R-DEPLOY-11", "R-DOC-03", "R-ORCH-03")
@pytest.mark.filterwarnings("ignore")
def test_the_loop_from_python_runs(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`examples/mlops_demo.py` validates, trains, promotes, predicts and monitors in the working folder."""
    monkeypatch.chdir(folder)
    (folder / "tiltyard.toml").unlink()  # it needs no project file
    runpy.run_path(str(EXAMPLES / "mlops_demo.py"), run_name="__main__")
    printed = capsys.readouterr().out
    assert "Version 1: accuracy 0.9" in printed
    assert "Drift: no" in printed
    assert "Recorded predictions: 1\n" in printed
