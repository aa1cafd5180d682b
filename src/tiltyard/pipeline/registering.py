"""Registering what a training recorded: the version, and what explains it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime

from tiltyard.ledger import Event
from tiltyard.pipeline.recording import Recorded
from tiltyard.pipeline.stage import Stage
from tiltyard.pipeline.steps import Trial
from tiltyard.pipeline.validation import Validation
from tiltyard.project import Project
from tiltyard.registry import DataFindings, VersionInfo
from tiltyard.registry.gates import FINDINGS_TAG


def register_version(
    stage: Stage,
    project: Project,
    trial: Trial,
    recorded: Recorded,
    validation: Validation,
    tags: Mapping[str, str],
) -> VersionInfo:
    """Make the recorded model the next version, with ``tags`` beside its own, and write the decision down."""
    candidate = trial.model.candidate
    train = trial.split.train
    info = stage.registry.register_model(
        recorded.model_uri,
        project.model_name,
        f"{candidate.title}; trained on {len(train):,} rows of {train.source}",
        tags={
            "tiltyard.candidate": candidate.name,
            "tiltyard.data_fingerprint": train.fingerprint,
            "tiltyard.project": project.name,
            **({"tiltyard.scorer": recorded.scorer.name} if recorded.scorer else {}),
            **tags,
            FINDINGS_TAG: json.dumps(DataFindings.of(validation.findings).to_dict()),
        },
        metrics=trial.evaluation.metrics,
        run_id=recorded.run_id,
    )
    stage.ledger.append(
        Event(
            kind="registered",
            subject=f"{info.name}/{info.version}",
            at=datetime.now(UTC),
            actor=stage.actor,
            reason=f"trained as {candidate.name}",
            evidence={"run_id": recorded.run_id, "data_fingerprint": train.fingerprint},
        )
    )
    return info
