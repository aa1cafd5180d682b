"""The use case: a model that was fitted elsewhere becomes a registered version, or is refused with nothing recorded."""

from __future__ import annotations

import json
import platform
import tempfile
from pathlib import Path

from sklearn.base import clone
from threadpoolctl import threadpool_limits

from tiltyard.errors import UsageError
from tiltyard.evaluation import evaluate_rows, get_metric, guess_baseline
from tiltyard.formatting import format_count
from tiltyard.jsonable import to_json_object
from tiltyard.ledger.model_events import DECISION
from tiltyard.libraries import runtime_versions
from tiltyard.models import FEW_ROWS, Candidate
from tiltyard.models.recipes.task_part import TaskModels, name_last_step
from tiltyard.models.selection.decision import make_decision_rule
from tiltyard.pipeline.adoption.columns import read_input_schema
from tiltyard.pipeline.adoption.log_adoption import AdoptedModel, log_adoption
from tiltyard.pipeline.adoption.parity import check_parity, name_inputs
from tiltyard.pipeline.adoption.request import AdoptedVersion, AdoptionRequest
from tiltyard.pipeline.adoption.rows import ROWS_UNKNOWN, AdoptedRows, read_adopted_rows
from tiltyard.pipeline.training.keep_rows import keep_rows
from tiltyard.pipeline.training.run_logging import LoggedRun, run_params
from tiltyard.pipeline.training.steps import EvaluatedModel, TrainedModel
from tiltyard.project import Project
from tiltyard.promotion.context import Workspace
from tiltyard.promotion.gates import DataFindings
from tiltyard.promotion.model_analysis import analyse_model, champion_importance, check_analysis
from tiltyard.promotion.offline_predictions import compare_with_labels, predict_rows
from tiltyard.promotion.registered_version import record_registration
from tiltyard.registry import ExperimentTracker, ScorerChoice, VersionInfo
from tiltyard.registry.foreign.estimators import FittedModel
from tiltyard.registry.lineage import Lineage, code_state, find_parent
from tiltyard.registry.package.packaging import LIBRARIES, require_storable_types
from tiltyard.registry.ports import ADOPTED_TAG, CANDIDATE_TAG, DATA_TAG, FINDINGS_TAG
from tiltyard.registry.semantic_version import (
    LABEL_TAG,
    ChangeKind,
    next_label,
    recipe_digest,
    schema_digest,
    settle_label,
)
from tiltyard.tasks import DecisionRule
from tiltyard.validation import DataValidator, ValidationReport


def adopt_model(
    workspace: Workspace, tracker: ExperimentTracker, project: Project, request: AdoptionRequest
) -> AdoptedVersion:
    """Make a version of a fitted model, with profile, held-out rows, scorer and lineage.

    All that can be refused is refused before the first thing is recorded.

    Args:
        workspace: where it is registered.
        tracker: where its run is recorded.
        project: how its rows are read (see ``describe_project``).
        request: the model and its rows.

    Raises:
        UsageError: the model reads rows otherwise than they are served, or holds types that this host does not allow;
            or the project's ``[decision]`` has to be tuned.
        DataError: its rows cannot be read, or ``[decision]`` does not fit its labels.
        UnavailableError: MLflow or the ledger cannot be reached.
    """
    adopted = prepare_adoption(project, request, workspace.trusted_types)
    tracker.check_experiment()
    adopted = _evaluate(adopted, project, workspace, tracker)
    kept = keep_rows(adopted.rows.every, project.data, workspace.snapshots)
    recorded = log_adoption(tracker, project, adopted, kept, workspace)
    info = _register(workspace, project, adopted, recorded)
    return AdoptedVersion(
        version=info,
        run_id=recorded.run_id,
        project=project,
        task=project.task,
        metrics=dict(recorded.card.metrics),
        held_out=0 if adopted.trial is None else len(adopted.trial.split.test),
        why_not_compared="" if adopted.trial is not None else ROWS_UNKNOWN,
        scorer=recorded.card.scorer or ScorerChoice(name=""),
        origin=request.origin,
        findings=[found.to_dict() for found in (*adopted.report.findings,)],
    )


def prepare_adoption(project: Project, request: AdoptionRequest, trusted_types: tuple[str, ...]) -> AdoptedModel:
    """Read the rows, and make sure that the model can be stored and predicts the same as a version.

    Nothing is recorded.

    Raises:
        UsageError: as of ``adopt_model``.
        DataError: as of ``adopt_model``.
    """
    found = request.found
    rows = read_adopted_rows(request, project, read_input_schema(found, request.rows, project))
    check_analysis(rows.every, project)
    stored = name_inputs(found, rows.reference.inputs)
    check_parity(found, stored, rows.held_out or rows.reference)
    with tempfile.TemporaryDirectory(prefix="tiltyard-") as folder:
        require_storable_types(stored, Path(folder) / "model.skops", trusted_types, found.kind)
    pipeline = name_last_step(stored, TaskModels.find_for(found.task).noun)
    candidate = Candidate(found.kind, found.kind, project.task, lambda _seed: clone(pipeline))
    model = TrainedModel(candidate, pipeline, (), 0.0, decision=_read_decision(found, project))
    return AdoptedModel(stored, model, rows, request.origin, None, _validate(rows, project))


def _read_decision(found: FittedModel, project: Project) -> DecisionRule | None:
    """The rule of the project's ``[decision]`` for the labels of the model; None where the likeliest is predicted.

    Raises:
        DataError: it names a label that the model does not know, or a threshold where it knows more than two.
        UsageError: it asks for a threshold that is chosen on folds of a training, and there is none.
    """
    section = project.decision
    if section.tune is not None:
        raise UsageError(
            f"decision.tune = '{section.tune}' chooses the threshold by fits to parts of the training rows, and an "
            "adopted model is not fitted again.",
            next_step="State decision.threshold instead, or leave tune out.",
            code="decision.needs-training",
        )
    classes = TaskModels.find_for(found.task).list_model_classes(found.model)
    return make_decision_rule(section, classes, project.data.positive)


def _validate(rows: AdoptedRows, project: Project) -> ValidationReport:
    every = rows.every
    # By comparison: a finding whose evidence is a dictionary has no hash.
    others = [found for found in rows.findings if found not in every.findings]
    return DataValidator(project).validate_dataset(every.frame, project.name, reading=(*every.findings, *others))


def _evaluate(
    adopted: AdoptedModel, project: Project, workspace: Workspace, tracker: ExperimentTracker
) -> AdoptedModel:
    """With how the model does on the rows that it was not trained on, where these are known."""
    held_out = adopted.rows.held_out
    if held_out is None:
        return adopted
    pipeline, metric = adopted.model.pipeline, get_metric(project.training.metric)
    with threadpool_limits(1 if len(held_out) < FEW_ROWS else None, user_api="openmp"):
        predictions = predict_rows(pipeline, held_out, adopted.model.decision)
    facts = compare_with_labels(predictions, held_out, project)
    before = champion_importance(workspace.registry, tracker, project)
    trial = EvaluatedModel(
        adopted.split,
        adopted.model,
        predictions,
        evaluate_rows(facts),
        analyse_model(pipeline, facts, held_out, project, before),
        guess_baseline(metric, facts, seed=project.training.random_state),
        facts,
    )
    return AdoptedModel(adopted.stored, adopted.model, adopted.rows, adopted.origin, trial, adopted.report)


def _register(workspace: Workspace, project: Project, adopted: AdoptedModel, recorded: LoggedRun) -> VersionInfo:
    rows, card, candidate = adopted.rows, recorded.card, adopted.model.candidate
    earlier = workspace.registry.list_versions(project.model_name)
    parent = find_parent(earlier)
    parameters = {
        name: str(value) for name, value in run_params(project, adopted.split, adopted.model).items() if "__" in name
    }
    rule = adopted.model.decision
    if rule is not None:
        parameters["decision"] = rule.describe()
    kind = ChangeKind(
        schema_digest(card.task, card.columns, card.classes), recipe_digest(card.candidate, parameters, b"")
    )
    trained = f"trained on {format_count(rows.trained, 'row')}" if rows.trained else "its training rows are not known"
    source = adopted.origin.source
    commit, dirty = code_state(project.root)
    lineage = Lineage(
        data={"fingerprint": card.data_fingerprint or None, "source": rows.reference.source, "rows": rows.trained},
        code={"commit": commit, "dirty": dirty},
        parameters={"candidate": candidate.name, **adopted.origin.to_params(), **parameters},
        environment={**runtime_versions(LIBRARIES), "platform": f"{platform.system()} {platform.machine()}"},
        parent=parent.version if parent else None,
    )
    info = workspace.registry.register_model(
        recorded.model_uri,
        project.model_name,
        f"{candidate.title}, adopted from {source}; {trained}",
        tags={
            CANDIDATE_TAG: candidate.name,
            "tiltyard.project": project.name,
            ADOPTED_TAG: source,
            **({DATA_TAG: card.data_fingerprint} if card.data_fingerprint else {}),
            **({"tiltyard.scorer": card.scorer.name} if card.scorer else {}),
            **lineage.tags,
            **kind.tags,
            LABEL_TAG: next_label(earlier, kind),
            FINDINGS_TAG: json.dumps(to_json_object(DataFindings.from_findings(adopted.report.findings))),
        },
        metrics=card.metrics,
        run_id=recorded.run_id,
    )
    info = settle_label(workspace.registry, info, kind)
    record_registration(
        workspace,
        info,
        parent,
        f"adopted from {source}",
        card.data_fingerprint,
        {"adopted": adopted.origin.to_params(), DECISION: None if rule is None else rule.model_dump(mode="json")},
    )
    return info
