"""The jobs of the workflows, as far as they need nothing of GitHub's: each step is run as the file says."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from tests.deploy.scripts import ROOT
from tests.deploy.workflow_steps import Steps
from tiltyard import __version__

# The packages are installed already.
LEFT_OUT = ("Set up",)


def check_out(folder: Path, *places: str) -> Path:
    """What is under version control, in a folder of the test, with the environment of this run."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", *places],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    (folder / ".venv").symlink_to(Path(sys.executable).parents[1])
    return folder


def read_job(workflow: str, job: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / ".github" / "workflows" / workflow).read_text("utf-8"))["jobs"][job]
    found["steps"] = [step for step in found["steps"] if step["name"] not in LEFT_OUT]
    return found


class Artifacts:
    """Keeps what a job uploads, as far as its paths can be found."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.kept: dict[str, list[str]] = {}

    def upload(self, given: Mapping[str, str]) -> dict[str, str]:
        found = [str(path.relative_to(self._folder)) for line in given["path"].split() for path in self._find(line)]
        assert found or given["if-no-files-found"] == "warn", given
        self.kept[given["name"]] = found
        return {}

    def _find(self, pattern: str) -> list[Path]:
        files = [path for path in self._folder.glob(pattern.rstrip("/")) if path.is_file()]
        return files + [path for path in self._folder.glob(f"{pattern.rstrip('/')}/**/*") if path.is_file()]


def run_job(workflow: str, job: str, folder: Path, temp: Path, **github: str) -> tuple[bool, Steps, Artifacts]:
    """Run a job in a folder that is checked out."""
    temp.mkdir()
    artifacts, read = Artifacts(folder), read_job(workflow, job)
    actions = {
        "actions/checkout": lambda _given: {},
        "actions/setup-python": lambda _given: {"python-path": sys.executable},
        "actions/upload-artifact": artifacts.upload,
    }
    variables = {f"GITHUB_{name.upper()}": value for name, value in github.items()}
    steps = Steps(folder, temp, {"github": github, "secrets": {}, "vars": {}, "inputs": {}}, actions, variables)
    return steps.run_all(read["steps"], read.get("env")), steps, artifacts


@pytest.mark.requirement("R-CI-06", "R-CI-07")
def test_a_push_validates_trains_and_leaves_the_model_for_an_image(tmp_path: Path) -> None:
    """The jobs before a deployment: the report of the data, the run, and a promoted model with its files."""
    folder = check_out(tmp_path / "checkout", "deploy", "examples/sentiment")
    well, steps, artifacts = run_job("ci.yml", "validate", folder, tmp_path / "first", event_name="push")
    assert well, steps.done
    assert artifacts.kept["validation"]
    well, steps, artifacts = run_job("ci.yml", "train", folder, tmp_path / "second", event_name="push")
    assert well, steps.done
    assert steps.contexts["steps"]["train"]["outputs"] == {"promoted": "true", "version": "1"}
    assert "model/start.sh" in artifacts.kept["model"]
    assert "examples/sentiment/.tiltyard/mlflow.db" in artifacts.kept["tiltyard-state"]
    assert "version 1: promoted" in (steps.temp / "summary.md").read_text("utf-8")


def test_broken_data_end_the_run_before_the_training(tmp_path: Path) -> None:
    """The validating job fails, and still keeps its report; the training job needs it."""
    folder = check_out(tmp_path / "checkout", "deploy", "examples/sentiment")
    toml = folder / "examples" / "sentiment" / "tiltyard.toml"
    text = toml.read_text("utf-8")
    assert "[validation]" not in text
    toml.write_text(f"{text}\n[validation]\nmin_rows = 1000000\n", encoding="utf-8")
    well, steps, artifacts = run_job("ci.yml", "validate", folder, tmp_path / "first", event_name="push")
    assert not well
    assert [step.code for step in steps.done if step.name == "May the data teach?"] == [3]
    assert artifacts.kept["validation"]


def test_a_release_has_wheel_source_site_and_their_digests(tmp_path: Path) -> None:
    """The building job makes all files from what is checked out; a tag that is not the version is refused."""
    folder = check_out(tmp_path / "checkout")
    wrong, steps, _ = run_job("release.yml", "build", folder, tmp_path / "wrong", ref_name="v0.0.0")
    assert not wrong
    assert "change src/tiltyard/_version.py, or the tag" in steps.done[2].text
    well, steps, artifacts = run_job("release.yml", "build", folder, tmp_path / "first", ref_name=f"v{__version__}")
    assert well, steps.done
    assert sorted(artifacts.kept["release"]) == [
        "dist/SHA256SUMS",
        f"dist/tiltyard-{__version__}-py3-none-any.whl",
        f"dist/tiltyard-{__version__}.tar.gz",
        f"dist/tiltyard-docs-{__version__}.tar.gz",
    ]
    sums = (folder / "dist" / "SHA256SUMS").read_text("utf-8")
    assert sums.count("\n") == 3
