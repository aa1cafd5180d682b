"""Registering what a training logged: the version, where it comes from, and the decision in the ledger."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping

from tiltyard.formatting import format_count
from tiltyard.jsonable import to_json_object
from tiltyard.ledger.model_events import DECISION, MERGED_CLASSES, SET_ASIDE
from tiltyard.libraries import runtime_versions
from tiltyard.models.custom_candidates import custom_source
from tiltyard.pipeline.training.data_checks import DataCheck
from tiltyard.pipeline.training.run_logging import LoggedRun, run_params
from tiltyard.pipeline.training.steps import EvaluatedModel
from tiltyard.project import Project
from tiltyard.promotion.context import Workspace
from tiltyard.promotion.gates import DataFindings
from tiltyard.promotion.registered_version import record_registration
from tiltyard.registry import VersionCard, VersionInfo
from tiltyard.registry.lineage import Lineage, code_state, find_parent
from tiltyard.registry.package.packaging import LIBRARIES
from tiltyard.registry.ports import CANDIDATE_TAG, DATA_TAG, FINDINGS_TAG
from tiltyard.registry.semantic_version import (
    LABEL_TAG,
    ChangeKind,
    next_label,
    recipe_digest,
    schema_digest,
    settle_label,
)

CHOICE_TAG = "tiltyard.candidate_choice"
"""Tag of a version: why it was this recipe, where nobody named one."""


def register_version(
    workspace: Workspace,
    project: Project,
    trial: EvaluatedModel,
    recorded: LoggedRun,
    validation: DataCheck,
    tags: Mapping[str, str],
) -> VersionInfo:
    """Make the recorded model the next version, with ``tags`` in addition to its own, and record the decision."""
    candidate = trial.model.candidate
    train, scorer = trial.split.train, recorded.card.scorer
    earlier = workspace.registry.list_versions(project.model_name)
    parent = find_parent(earlier)
    kind = version_kind(project, trial, recorded.card)
    info = workspace.registry.register_model(
        recorded.model_uri,
        project.model_name,
        f"{candidate.title}; trained on {format_count(len(train), 'row')} of {train.source}",
        tags={
            CANDIDATE_TAG: candidate.name,
            DATA_TAG: train.fingerprint,
            "tiltyard.project": project.name,
            **({"tiltyard.scorer": scorer.name} if scorer else {}),
            **version_origin(project, trial, parent).tags,
            **kind.tags,
            LABEL_TAG: next_label(earlier, kind),
            **tags,
            FINDINGS_TAG: json.dumps(to_json_object(DataFindings.from_findings(validation.findings))),
        },
        metrics=trial.evaluation.metrics,
        run_id=recorded.run_id,
    )
    info = settle_label(workspace.registry, info, kind)
    rule = trial.model.decision
    evidence = {
        SET_ASIDE: dict(train.set_aside),
        MERGED_CLASSES: dict(train.merged),
        DECISION: None if rule is None else rule.model_dump(mode="json"),
    }
    record_registration(workspace, info, parent, f"trained as {candidate.name}", train.fingerprint, evidence)
    return info


def version_kind(project: Project, trial: EvaluatedModel, card: VersionCard) -> ChangeKind:
    """What decides which number of the version's semantic label rises."""
    parameters = {name: value for name, value in run_params(project, trial.split, trial.model).items() if "__" in name}
    if trial.model.decision is not None:
        parameters["decision"] = trial.model.decision.describe()
    source = custom_source(trial.model.candidate.name, project.root)
    return ChangeKind(
        schema_digest(card.task, card.columns, card.classes),
        recipe_digest(card.candidate, parameters, source.read_bytes() if source else b""),
    )


def version_origin(project: Project, trial: EvaluatedModel, parent: VersionInfo | None) -> Lineage:
    """Where a trained version comes from."""
    train = trial.split.train
    commit, dirty = code_state(project.root)
    return Lineage(
        data={"fingerprint": train.fingerprint, "source": train.source, "rows": len(train)},
        code={"commit": commit, "dirty": dirty},
        parameters={name: str(value) for name, value in run_params(project, trial.split, trial.model).items()},
        environment={
            **runtime_versions(LIBRARIES),
            "platform": f"{platform.system()} {platform.machine()}",
        },
        parent=parent.version if parent else None,
    )
