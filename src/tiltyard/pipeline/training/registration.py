"""Registering what a training recorded: the version, and what explains it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime

from tiltyard.aliases import CHAMPION
from tiltyard.ledger import Event
from tiltyard.pipeline.training.data_checks import DataCheck
from tiltyard.pipeline.training.origin import version_kind, version_origin
from tiltyard.pipeline.training.run_logging import LoggedRun
from tiltyard.pipeline.training.steps import EvaluatedModel
from tiltyard.project import Project
from tiltyard.promotion.context import Workspace
from tiltyard.promotion.gates import DataFindings
from tiltyard.registry import VersionInfo
from tiltyard.registry.semantic_version import LABEL_TAG, ChangeKind, duplicate_labels, next_label
from tiltyard.registry.tags import FINDINGS_TAG


def register_version(
    workspace: Workspace,
    project: Project,
    trial: EvaluatedModel,
    recorded: LoggedRun,
    validation: DataCheck,
    tags: Mapping[str, str],
) -> VersionInfo:
    """Make the recorded model the next version, with ``tags`` beside its own, and write the decision down."""
    candidate = trial.model.candidate
    train = trial.split.train
    earlier = workspace.registry.list_versions(project.model_name)
    parent = next((one for one in earlier if CHAMPION in one.aliases), earlier[0] if earlier else None)
    kind = version_kind(project, trial)
    info = workspace.registry.register_model(
        recorded.model_uri,
        project.model_name,
        f"{candidate.title}; trained on {len(train):,} rows of {train.source}",
        tags={
            "tiltyard.candidate": candidate.name,
            "tiltyard.data_fingerprint": train.fingerprint,
            "tiltyard.project": project.name,
            **({"tiltyard.scorer": recorded.scorer.name} if recorded.scorer else {}),
            **version_origin(project, trial, parent).tags,
            **kind.tags,
            LABEL_TAG: next_label(earlier, kind),
            **tags,
            FINDINGS_TAG: json.dumps(DataFindings.of(validation.findings).to_dict()),
        },
        metrics=trial.evaluation.metrics,
        run_id=recorded.run_id,
    )
    info = _labelled_once(workspace, info, kind)
    workspace.ledger.append(
        Event(
            kind="registered",
            subject=f"{info.name}/{info.version}",
            at=datetime.now(UTC),
            actor=workspace.actor,
            reason=f"trained as {candidate.name}",
            evidence={
                "run_id": recorded.run_id,
                "data_fingerprint": train.fingerprint,
                "label": info.label,
                "parent": parent.version if parent else None,
            },
        )
    )
    return info


def _labelled_once(workspace: Workspace, info: VersionInfo, kind: ChangeKind) -> VersionInfo:
    """Another label where a training that registered at the same time took this one: the lower number keeps it."""
    while duplicate_labels(versions := workspace.registry.list_versions(info.name), info):
        others = [one for one in versions if one.version != info.version]
        workspace.registry.set_tag(info.name, info.version, LABEL_TAG, next_label(others, kind))
        info = workspace.registry.get_version(info.name, version=info.version)
    return info
