"""The workflows: what checkers say of them, and what they may never do."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from tests.deploy.scripts import BIN, ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
NAMES = [path.name for path in WORKFLOWS]


def tool(name: str) -> str:
    found = shutil.which(name, path=str(BIN)) or shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed (it is in the lock: make setup)")
    return found


def read(path: Path) -> dict[Any, Any]:
    found: dict[Any, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found


def steps(path: Path) -> list[dict[str, Any]]:
    return [step for job in read(path)["jobs"].values() for step in job.get("steps", ())]


def test_zizmor_finds_nothing() -> None:
    """No injection, no unpinned action, no credential that stays, no right that is not needed."""
    command = [tool("zizmor"), "--offline", "--no-progress", "--persona=auditor", ".github/workflows", "action.yml"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_workflows_keep_githubs_schema() -> None:
    """Every key is one that GitHub knows."""
    command = [tool("check-jsonschema"), "--builtin-schema", "vendor.github-workflows", *map(str, WORKFLOWS)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", WORKFLOWS, ids=NAMES)
def test_every_action_is_pinned_and_every_right_is_given_by_job(path: Path) -> None:
    """A tag can be moved to other code; a right that a whole workflow has is one that most of its jobs do not need."""
    assert read(path)["permissions"] == {}
    for step in steps(path):
        if "uses" in step:
            assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", step["uses"]), step["uses"]
    for line in path.read_text(encoding="utf-8").splitlines():
        if re.search(r"uses: \w+/.*@", line):
            assert re.search(r"# v\d+\.\d+\.\d+$", line), line


@pytest.mark.parametrize("path", WORKFLOWS, ids=NAMES)
def test_no_expression_stands_in_a_shell_line(path: Path) -> None:
    """What others can write (a branch's name, an input) reaches a shell as a variable only."""
    assert not [step["run"] for step in steps(path) if "${{" in step.get("run", "")]


@pytest.mark.parametrize("path", WORKFLOWS, ids=NAMES)
def test_what_a_step_runs_is_there(path: Path) -> None:
    """Scripts of deploy/ and .ci/ that are named exist, and those in shell can be run."""
    for step in steps(path):
        for named in re.findall(r"(?:deploy|\.ci)/[\w./-]+", step.get("run", "")):
            script = ROOT / named
            assert script.is_file(), named
            assert script.suffix == ".py" or script.stat().st_mode & 0o100, named


@pytest.mark.requirement("R-DATA-13", "R-DEPLOY-15", "R-DEPLOY-16", "R-CI-08", "R-CI-10")
def test_the_order_of_the_pipeline() -> None:
    """Tests, then data, then training, then staging, then production; and only from main."""
    jobs = read(ROOT / ".github/workflows/ci.yml")["jobs"]
    assert jobs["validate"]["needs"] == "lint-and-test"
    assert jobs["train"]["needs"] == "validate"
    assert jobs["deploy"]["needs"] == "train"
    assert "github.ref == 'refs/heads/main'" in jobs["deploy"]["if"]
    assert "needs.train.outputs.promoted == 'true'" in jobs["deploy"]["if"]
    deploy = read(ROOT / ".github/workflows/deploy.yml")["jobs"]
    assert deploy["deploy-production"]["needs"] == "deploy-staging"
    for job in (*deploy.values(), *read(ROOT / ".github/workflows/rollback.yml")["jobs"].values()):
        assert job["if"] == "github.ref == 'refs/heads/main'"
        assert job["environment"] in ("staging", "production")
        assert "build" not in " ".join(step.get("run", "") for step in job["steps"])
    ran = [step.get("run", "") for step in deploy["deploy-staging"]["steps"]]
    order = [next(at for at, line in enumerate(ran) if part in line) for part in ("push.sh", "staged.sh", "rollout.sh")]
    assert order == sorted(order)


@pytest.mark.requirement("R-CI-01", "R-CI-02", "R-CI-03", "R-CI-04")
def test_every_change_is_checked_by_the_one_gate() -> None:
    """On a push to main and on every pull request CI runs ``make check``, and writes the coverage of the tests."""
    workflow = read(ROOT / ".github/workflows/ci.yml")
    when = workflow[True]  # YAML 1.1 reads the word "on" as a boolean
    assert when["push"] == {"branches": ["main"]}
    assert "pull_request" in when
    lines = {name: [step.get("run", "") for step in job.get("steps", ())] for name, job in workflow["jobs"].items()}
    assert ".ci/run" in lines["lint-and-test"]
    assert any("make coverage" in line for line in lines["coverage"])
    assert (ROOT / ".ci/run").read_text("utf-8").splitlines()[-1] == "make check"


@pytest.mark.requirement("R-CI-06", "R-CI-07")
def test_artifacts_are_kept_a_week() -> None:
    """Model, tracking data, coverage and the report of the data."""
    kept = [
        step["with"] for step in steps(ROOT / ".github/workflows/ci.yml") if "upload-artifact" in step.get("uses", "")
    ]
    assert {item["name"] for item in kept} == {"coverage", "validation", "tiltyard-state", "model"}
    assert {item["retention-days"] for item in kept} == {7}
    state = next(item for item in kept if item["name"] == "tiltyard-state")
    assert ".tiltyard/mlflow.db" in state["path"]
    assert ".tiltyard/artifacts/" in state["path"]


def test_the_scripts_in_shell_can_be_read() -> None:
    """By their shell, which reads all of a script only when it runs."""
    for script in [*(ROOT / "deploy").glob("*.sh"), ROOT / "deploy/model/start.sh"]:
        first = script.read_text(encoding="utf-8").partition("\n")[0]
        shell = "bash" if "bash" in first else "sh"
        done = subprocess.run([shell, "-n", str(script)], capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 0, done.stderr
