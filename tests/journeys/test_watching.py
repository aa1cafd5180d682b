"""Monitoring a champion: traffic, labels, monitoring runs, a report."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tests.films import Films
from tiltyard import app_wiring, wiring
from tiltyard.cli.main import cli
from tiltyard.data import load_dataset, split_dataset
from tiltyard.ledger import new_id
from tiltyard.project import load_project
from tiltyard.testing import make_prediction

pytestmark = pytest.mark.journey


def record_predictions(films: Films) -> list[tuple[str, str]]:
    """Record the champion's predictions of the test rows, an hour old: their ids and true labels."""
    project = load_project(films.root)
    settings = wiring.load_settings(project)
    test = split_dataset(load_dataset(project), project.split, project.data.time).test
    at = datetime.now(UTC) - timedelta(hours=1)
    with wiring.open_ledger(settings) as ledger:
        workspace = app_wiring.open_workspace(settings, ledger)
        champion = workspace.registry.champion(project.model_name)
        assert champion is not None
        package = workspace.load(champion)
        shares = package.pipeline.predict_proba(test.inputs)
        rows = [
            make_prediction(
                id=new_id(),
                at=at + timedelta(seconds=place),
                project=project.model_name,
                version=champion.version,
                input={"text": text},
                label=str(package.manifest.classes[share.argmax()]),
                confidence=float(share.max()),
                probabilities=dict(zip(package.manifest.classes, map(float, share), strict=True)),
            )
            for place, (text, share) in enumerate(zip(test.inputs, shares, strict=True))
        ]
        ledger.record(rows)
    return [(row.id, label) for row, label in zip(rows, test.labels, strict=True)]


def write_labels(file: Path, labels: list[tuple[str, str]]) -> str:
    """A CSV file of labels."""
    with file.open("w", newline="", encoding="utf-8") as target:
        csv.writer(target).writerows([("prediction_id", "label"), *labels])
    return str(file)


def run(films: Films, *words: str) -> tuple[int, dict[str, Any]]:
    """The exit code and the output of a command with ``--json``, in this process: a new one costs seconds."""
    done = CliRunner().invoke(cli, [*words, "--project", str(films.root), "--json"], catch_exceptions=False)
    report: dict[str, Any] = json.loads(done.stdout)
    return done.exit_code, report


def status(seen: dict[str, Any], code: str) -> str:
    return str(next(found["status"] for found in seen["findings"] if found["code"] == code))


def test_labels_that_contradict_the_champion_raise_the_alarm(films: Films) -> None:
    """Healthy traffic raises no alarm; labels bring performance; labels against the champion are exit code 3."""
    labels = record_predictions(films)
    code, seen = run(films, "monitor")
    assert code == 0, seen["findings"]
    assert status(seen, "performance.degradation") == "could_not_judge"
    assert status(seen, "performance.estimate") == "clear"
    right = write_labels(films.root / "right.csv", labels)
    _, imported = run(films, "feedback", "import", right)
    assert imported["stored"] == len(labels)
    code, seen = run(films, "monitor")
    assert (code, status(seen, "performance.degradation")) == (0, "clear")
    accuracy = seen["performance"]["metrics"]["accuracy"]
    assert accuracy["interval"][0] <= accuracy["value"] <= accuracy["interval"][1]
    turned = [(id_, "negative" if label == "positive" else "positive") for id_, label in labels]
    _, corrected = run(films, "feedback", "import", write_labels(films.root / "turned.csv", turned))
    assert corrected["corrected"] == len(labels)
    code, seen = run(films, "monitor")
    assert (code, seen["decayed"]) == (3, True)
    _, report = run(films, "report", "--days", "1", "--to", str(films.root / "report.md"))
    assert len(report["files"]) >= 5
    assert "performance.degradation" in (films.root / "report.md").read_text("utf-8")
    run(films, "report", "--days", "1")
    page = (films.root / "reports" / "monitoring.html").read_text("utf-8")
    assert "Accuracy over time" in page
    assert page.count("<svg") >= 4
