"""A project that has been running for three days: two versions, predictions, labels, drift since last night."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from tiltyard.console.sources import ConsoleSources, console_sources
from tiltyard.data import load_dataset, split_dataset
from tiltyard.jsonable import to_jsonable
from tiltyard.ledger import Label, Prediction, SqlLedger, new_id
from tiltyard.ledger.batch_runs import BatchRun
from tiltyard.ledger.model_events import ModelEvents
from tiltyard.monitoring.labels.labeling_queue import QueueOptions, select_predictions_to_label
from tiltyard.monitoring.run import evaluate_period
from tiltyard.notifications.alerts import IncidentUpdate, update_alerts
from tiltyard.pipeline import QuietRunner, TrainingRequest, Workspace, train
from tiltyard.pipeline.remediation.incidents import TITLES, group_incidents
from tiltyard.project import Project, load_project
from tiltyard.registry import ExperimentTracker, MlflowRegistry
from tiltyard.scoring import describe_predictions, make_scorer
from tiltyard.settings import Settings

EXAMPLES = Path(__file__).parents[2] / "examples"
CANDIDATES = {
    "sentiment": (("tfidf-logreg",), ("tfidf-naive-bayes",)),
    "personality": (("logreg",), ("random-forest",)),
    "diabetes": (("ridge",), ("mean",)),
}
DRIFTED = timedelta(hours=10)


@dataclass(frozen=True)
class RunningProject:
    """A project with its stores, and the sources of its console."""

    project: Project
    workspace: Workspace
    settings: Settings
    sources: ConsoleSources

    @property
    def ledger(self) -> Any:
        """Its ledger."""
        return self.workspace.ledger


@contextmanager
def open_running_project(root: Path, store: Path, example: str, rows: int = 1500) -> Iterator[RunningProject]:
    """Train two versions of an example in a folder, and let the first one predict for three days."""
    folder = root / example
    shutil.copytree(EXAMPLES / example, folder)
    uri = f"sqlite:///{shutil.copyfile(store, root / f'{example}.db')}"
    settings = Settings.model_validate({"root": folder, "mlflow_tracking_uri": uri})
    project = load_project(folder)
    with SqlLedger.open(f"sqlite:///{root / f'{example}-ledger.db'}") as ledger:
        registry = MlflowRegistry(tracking_uri=uri)
        workspace = Workspace(registry, ledger, settings.cache, (), "ada")
        tracker = ExperimentTracker(project.name, tracking_uri=uri, artifact_location=(folder / "artifacts").as_uri())
        for candidates in CANDIDATES[example]:
            train(project, tracker, workspace, QuietRunner(), TrainingRequest(promote=True, candidates=candidates))
        sources = console_sources(project, settings, registry, ledger)
        made = RunningProject(project, workspace, settings, sources)
        _predict(made, rows)
        _monitor(made)
        yield made


def _predict(made: RunningProject, rows: int) -> None:
    info = made.workspace.registry.champion(made.project.model_name)
    assert info is not None
    package = made.workspace.load(info)
    scorer = make_scorer(package)
    held = split_dataset(load_dataset(made.project), made.project.split).test
    rng, now = np.random.default_rng(7), datetime.now(UTC)
    chosen = rng.integers(0, len(held), rows)
    times = sorted(now - timedelta(seconds=float(second)) for second in rng.uniform(60, 3 * 86400, rows))
    given = _inputs(held.inputs)
    inputs = [
        _drift(given[place], rng) if now - at < DRIFTED else given[place]
        for place, at in zip(chosen, times, strict=True)
    ]
    truth = held.labels.tolist()
    described = describe_predictions(scorer.score(inputs), package.manifest.classes)
    predictions = []
    for at, content, scored in zip(times, inputs, described, strict=True):
        certainty = scored.certainty
        interval = certainty.get("interval")
        predictions.append(
            Prediction(
                id=new_id(),
                at=at,
                project=made.project.model_name,
                version=info.version,
                route="champion",
                input=content,
                label=str(scored.value),
                confidence=certainty.get("confidence"),
                probabilities=certainty.get("probabilities", {}),
                latency_ms=float(rng.gamma(3.0, 1.4)),
                interval=tuple(interval) if interval else None,
            )
        )
    made.ledger.record(predictions)
    labelled = [
        Label(one.id, str(truth[place]), one.at + timedelta(minutes=30), "support")
        for one, place in zip(predictions, chosen.tolist(), strict=True)
        if rng.random() < 0.3 and one.at + timedelta(minutes=30) < now
    ]
    made.ledger.record_labels(labelled)
    queue = select_predictions_to_label(made.ledger, made.project.model_name, QueueOptions(25))
    made.ledger.label_requests.record(queue.requests)
    begun = now - timedelta(hours=7)
    done = BatchRun("a" * 32, made.project.model_name, info.version, "night.parquet", "scores.parquet", begun)
    made.ledger.batch_runs.save(
        BatchRun(
            done.id, done.project, done.version, done.source, done.target, begun, begun + timedelta(seconds=41), 5000
        )
    )


def _inputs(inputs: Any) -> list[Mapping[str, Any]]:
    if hasattr(inputs, "columns"):
        return [to_jsonable(row) for row in inputs.to_dict("records")]
    return [{"text": text} for text in inputs.tolist()]


def _drift(content: Mapping[str, Any], rng: np.random.Generator) -> Mapping[str, Any]:
    """The same input as it comes since last night: a column in another unit, or words of another subject."""
    if "text" in content:
        words = " ".join(rng.choice(["parcel", "courier", "refund", "delivery", "warehouse"], 6).tolist())
        return {"text": f"{words} {content['text'][:120]}"}
    name = next(
        name for name, value in content.items() if isinstance(value, int | float) and not isinstance(value, bool)
    )
    value = content[name]
    return {**content, name: None if value is None else float(value) * 1.6 + 0.02}


def _monitor(made: RunningProject) -> None:
    now, model = datetime.now(UTC), made.project.model_name
    findings: Sequence[Any] = ()
    for hours in (48, 36, 24, 12, 6, 0):
        result = evaluate_period(
            made.project, made.ledger, made.sources.monitored(), until=now - timedelta(hours=hours)
        )
        findings = result.records()
        made.ledger.findings.record(findings)
    updates = [
        IncidentUpdate(kind, TITLES[kind], one.evaluated, one.found, "The project asks for no action here.")
        for kind, one in group_incidents(findings).items()
    ]
    update_alerts(ModelEvents(made.ledger, model), updates, now, made.project.alerts, actor="the loop")
