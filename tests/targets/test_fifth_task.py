"""A further task is one folder: one that another package brings goes the whole way, and no module of ours knows it."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from tests import fork_server
from tests.films import environment

FOLDER = Path(__file__).parent / "counted"
pytestmark = [pytest.mark.journey, pytest.mark.timeout(900)]


def run_python(*words: str, folder: Path = FOLDER) -> tuple[int, str, str]:
    """A process in which the folder's package is installed."""
    path = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = fork_server.run([sys.executable, *words], env={**environment(), "PYTHONPATH": path}, timeout=850, fresh=True)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def facts() -> dict[str, Any]:
    """What a project of counts found on its way."""
    code, out, err = run_python(str(FOLDER / "walk_counts.py"))
    assert code == 0, out + err
    found: dict[str, Any] = json.loads(out.splitlines()[-1])
    return found


def test_its_candidates_compete_by_its_metric(facts: dict[str, Any]) -> None:
    """The folder's recipes are compared by the folder's metric, and the best becomes champion through the gates."""
    trained = facts["trained"]
    assert trained["metrics"]["poisson_deviance"] > 0
    assert trained["candidate"] == "poisson"
    assert facts["info"]["model_name"] == "visits-counter"


def test_it_is_served_with_intervals(facts: dict[str, Any]) -> None:
    """The server predicts it in a separate process."""
    assert len(facts["predicted"]) == 120
    assert all(value > 0 for value in facts["predicted"])


def test_its_labels_are_read_by_its_rule(facts: dict[str, Any]) -> None:
    """A reported label that is not a count is refused with the folder's reason, and counts are accepted."""
    assert "2.5 is not a count" in json.dumps(facts["refused"])
    assert facts["accepted"] == 120


def test_it_is_monitored_by_its_metric(facts: dict[str, Any]) -> None:
    """Labelled predictions are measured by the folder's metric."""
    assert "poisson_deviance" in json.dumps(facts["monitored"])


def test_what_does_not_suit_it_is_refused_by_name(facts: dict[str, Any]) -> None:
    """A candidate of another task and a label that is not a count are errors that say so."""
    assert "tabular-counting" in json.dumps(facts["other_candidate"])
    assert "not a count" in json.dumps(facts["negative"])


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("x = 1", "it has no TARGET"),
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        (
            "from tiltyard.tasks import TargetTraits\n"
            "TARGET = TargetTraits('odd', {'table': 'tabular-regression'}, 'mae', 'odd', 'number')",
            "'tabular-regression' is taken",
        ),
        (
            "from tiltyard.tasks import TargetTraits\n"
            "TARGET = TargetTraits('odd', {'table': 'tabular-odd'}, 'mae', 'odd', 'no-such')",
            "there is no target 'no-such' that it extends",
        ),
    ],
)
def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path, content: str, why: str) -> None:
    """What another package brings and cannot be used is refused with its name and the reason, without a traceback."""
    package = tmp_path / "tiltyard_targets" / "odd"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(content, encoding="utf-8")
    (tmp_path / "tiltyard.toml").write_text("[project]\nname='a'\ntask='tabular-regression'\n", encoding="utf-8")
    code, out, err = run_python("-m", "tiltyard", "train", "--project", str(tmp_path), folder=tmp_path)
    assert code == 1
    assert "The target in tiltyard_targets.odd cannot be used" in " ".join(err.split())
    assert why in " ".join((out + err).split())
    assert "Traceback" not in out + err
