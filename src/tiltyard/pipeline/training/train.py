"""The training pipeline: from a project file to a registered version, and to the champion if requested."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tiltyard.data import Dataset, Split, load_dataset, split_dataset
from tiltyard.errors import UsageError
from tiltyard.evaluation import get_metric, get_task_metric
from tiltyard.formatting import format_count
from tiltyard.jsonable import to_json_object
from tiltyard.models import Candidate, DefaultCandidate, SearchResult, find_default, select_candidates
from tiltyard.models.selection.shared_search import SharedSearch
from tiltyard.pipeline.orchestration.runner import Runner
from tiltyard.pipeline.training.bias_mitigation import check_mitigation
from tiltyard.pipeline.training.data_checks import DataCheck, validate_data
from tiltyard.pipeline.training.keep_rows import NOTHING_KEPT, KeptRows, keep_rows
from tiltyard.pipeline.training.narrow_texts import NARROW
from tiltyard.pipeline.training.preflight import check_host
from tiltyard.pipeline.training.registration import CHOICE_TAG, register_version
from tiltyard.pipeline.training.reproduce import LoadedRecipe, load_recipe
from tiltyard.pipeline.training.run_logging import log_run
from tiltyard.pipeline.training.steps import EvaluatedModel, evaluate_model, help_search, train_model
from tiltyard.project import Project
from tiltyard.promotion.challenge import PromotionResult, challenge_champion
from tiltyard.promotion.context import Workspace
from tiltyard.promotion.model_analysis import champion_importance, check_analysis
from tiltyard.registry import ExperimentTracker, VersionInfo
from tiltyard.registry.package.stored_evaluation import StoredEvaluation
from tiltyard.registry.ports import CANDIDATE_TAG
from tiltyard.result_display import ShownResult


@dataclass(frozen=True, repr=False)
class TrainingOutcome(ShownResult):
    """What a training brought.

    Attributes:
        run_id: the MLflow run.
        version: the registered version.
        trial: the fitted candidate and how it did on the test rows.
        promotion: how its attempt to become champion went; None if no attempt was requested.
        kept: the snapshot of the rows that it saw.
        evaluation: what of its evaluation travels with the version.
    """

    run_id: str
    version: VersionInfo
    trial: EvaluatedModel
    promotion: PromotionResult | None
    kept: KeptRows = NOTHING_KEPT
    evaluation: StoredEvaluation | None = None

    def describe(self) -> tuple[str, Mapping[str, Any]]:
        """A title, the metrics, and how the promotion went."""
        return f"{self.version.name} version {self.version.version}: {self.trial.model.candidate.title}", {
            "metrics": dict(self.trial.evaluation.metrics),
            "guessing": dict(self.trial.guess.values),
            "rows": f"{len(self.trial.split.train):,} train, {len(self.trial.split.test):,} test",
            "status": self.promotion.status if self.promotion else "Registered",
            **(self.promotion.verdict.describe()[1] if self.promotion else {}),
        }

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form."""
        return {
            "run_id": self.run_id,
            "model_name": self.version.name,
            "model_version": self.version.version,
            "candidate": self.trial.model.candidate.name,
            "metrics": dict(self.trial.evaluation.metrics),
            "guess": to_json_object(self.trial.guess),
            "train_rows": len(self.trial.split.train),
            "test_rows": len(self.trial.split.test),
            "num_features": self.trial.model.num_features,
            "fit_seconds": self.trial.model.seconds,
            "snapshot": to_json_object(self.kept),
            "status": self.promotion.status if self.promotion else "Registered",
            "promotion": self.promotion.to_dict() if self.promotion else None,
        }

    def to_markdown(self) -> str:
        """What came out, as a page."""
        metrics = self.trial.evaluation.metrics
        rows = [f"| {name} | {value:.4f} |" for name, value in sorted(metrics.items())]
        head = f"# {self.version.name}, version {self.version.version}\n\nCandidate: {self.trial.model.candidate.title}"
        status = self.promotion.status if self.promotion else "Registered"
        guess = self.trial.guess
        rows += [f"| {guess.metric}, guessing ({kind}) | {value:.4f} |" for kind, value in guess.values.items()]
        return "\n".join([head, f"\nStatus: {status}\n", f"MLflow run: `{self.run_id}`\n", "| metric | value |",
                          "|---|---|", *rows])  # fmt: skip


@dataclass(frozen=True)
class TrainingRequest:
    """How a training is meant.

    Attributes:
        promote: whether the version shall try to become champion.
        candidates: recipes to try instead of the project's; none means the project's.
        recipes: the same as objects, for one that no name leads to, such as a copy of a version's estimator.
        accept_data: train even where the data breaks the limits of the project; findings are recorded either way.
        from_version: number or alias of a version to train again, from the rows that it saw and as it was trained.
        load: reads the rows; default: the project's source.
        tags: of the version, in addition to those that every version has.
        storage: URL of a database in which the search is shared with other machines; None to search alone.
    """

    promote: bool = False
    candidates: tuple[str, ...] = ()
    recipes: tuple[Candidate, ...] = ()
    accept_data: bool = False
    from_version: str | None = None
    load: Callable[[], Dataset] | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    storage: str | None = None


def train(
    project: Project,
    tracker: ExperimentTracker,
    workspace: Workspace,
    runner: Runner,
    request: TrainingRequest = TrainingRequest(),
) -> TrainingOutcome:
    """Train, evaluate, record and register a version, and let it challenge the champion if requested.

    Args:
        project: what to train.
        tracker: where the run is recorded.
        workspace: where versions are registered and promoted, and decisions written down.
        runner: runs the steps and shows them.
        request: how the training is meant.

    Raises:
        TiltyardError: the data, the project or a service stands in the way; a run that had begun is marked failed.
    """
    plan = _make_plan(project, tracker, workspace, request)
    project = plan.project
    chosen_because = _explain_default(plan, workspace)
    if chosen_because:
        runner.say(chosen_because)
    data = _read_data(plan, workspace, runner, request)
    check_host(plan.recipes, data.split.train, project, tracker, workspace.trusted_types)
    kept = runner.run(
        "keep-rows", lambda: keep_rows(data.dataset, project.data, workspace.snapshots), lambda kept: kept.summary
    )
    trial = _fit_and_evaluate(plan, data.split, tracker, workspace, runner, request)
    recorded = runner.run(
        "log-mlflow",
        lambda: log_run(
            tracker,
            project,
            trial,
            data.validation,
            kept=kept,
            trusted_types=workspace.trusted_types,
            signer=workspace.signer,
        ),
        lambda run: f"MLflow run ID: {run.run_id}",
    )
    reason = {CHOICE_TAG: chosen_because} if chosen_because else {}
    tags = {**reason, **(plan.again.tags if plan.again else {}), **request.tags}
    info = runner.run(
        "register-model",
        lambda: register_version(workspace, project, trial, recorded, data.validation, tags),
        lambda version: f"{version.name}; Registered model version: {version.version}",
    )
    promotion = None
    if request.promote:
        promotion = runner.run(
            "promote-model",
            lambda: challenge_champion(workspace, project, info, trial.predictions, data.split.test),
            _describe_promotion,
        )
    return TrainingOutcome(recorded.run_id, info, trial, promotion, kept, recorded.evaluation)


def join_search(
    project: Project, tracker: ExperimentTracker, workspace: Workspace, runner: Runner, request: TrainingRequest
) -> SearchResult:
    """Help the search of a training that another machine carries out, until nothing is left to try.

    Args:
        project, tracker, workspace, runner: as of ``train``; the rows have to be the same as there.
        request: how the training is meant; ``storage`` says where the search is.

    Returns:
        The trials of this process.

    Raises:
        UsageError: no database is named, or the project has no search.
        TiltyardError: the data, the project or a service stands in the way.
    """
    if request.storage is None:
        raise UsageError(
            "--join needs the database of the search.",
            next_step="Set TILTYARD_SEARCH_STORAGE to the URL that the other machine has, such as "
            "postgresql://user@host/database.",
            code="search.no-storage",
        )
    if project.training.search.trials is None:
        raise UsageError(
            "The project has no search that can be joined.",
            next_step="Set training.search.trials in the project file, on all machines alike.",
            code="search.no-limit",
        )
    plan = _make_plan(project, tracker, workspace, request)
    data = _read_data(plan, workspace, runner, request)
    shared = SharedSearch(request.storage, project.name, helps=True)
    return runner.run(
        "join-search",
        lambda: help_search(plan.recipes, data.split.train, plan.project, runner.say, shared),
        lambda found: f"{format_count(len(found.trials), 'trial')} of this machine",
    )


@dataclass(frozen=True)
class _Plan:
    """What a training sets out to do.

    Attributes:
        project: the project; of a version that is trained again, as it was then.
        recipes: the candidates to choose from.
        again: the recipe of the version that is trained again; None for a new one.
        default: how the candidate was found where nobody named one; else None.
    """

    project: Project
    recipes: Sequence[Candidate]
    again: LoadedRecipe | None
    default: DefaultCandidate | None = None


@dataclass(frozen=True)
class _CheckedData:
    """The rows of a training, their two sides, and what was found in them."""

    dataset: Dataset
    split: Split
    validation: DataCheck


def _make_plan(project: Project, tracker: ExperimentTracker, workspace: Workspace, request: TrainingRequest) -> _Plan:
    """What can be refused before any row is read is refused here."""
    again = None
    if request.from_version is not None:
        again = load_recipe(project, request.from_version, request.candidates, tracker, workspace)
        project = again.project
    for name in (project.training.metric, *project.promotion.floors):
        get_task_metric(name, project.task)  # a misspelt metric is reported before the work, not after
    names = request.candidates or project.training.candidates
    default = None
    recipes: Sequence[Candidate]
    if again is not None:
        recipes = [again.candidate]
    elif request.recipes or names:
        recipes = request.recipes or select_candidates(names, project.task, project.root)
    else:
        default = find_default(project.task)
        recipes = [default.candidate]
    check_mitigation(recipes, project)
    return _Plan(project, recipes, again, default)


def _explain_default(plan: _Plan, workspace: Workspace) -> str:
    """Why this candidate is trained where nobody named one; empty where somebody did."""
    if plan.default is None:
        return ""
    champion = workspace.registry.champion(plan.project.model_name) if plan.default.missing else None
    return plan.default.explain("" if champion is None else champion.tags.get(CANDIDATE_TAG, ""))


def _read_data(plan: _Plan, workspace: Workspace, runner: Runner, request: TrainingRequest) -> _CheckedData:
    """The rows, split and checked; refused where they break the limits, unless that was accepted."""
    project = plan.project
    before = plan.again.version if plan.again is not None else None

    def load() -> Dataset:
        return load_dataset(project, workspace.find_split_schema(project.model_name, before))

    dataset = runner.run("load-data", request.load or load, _describe_data)
    if plan.again is not None:
        plan.again.check(dataset)
    check_analysis(dataset, project)
    split = runner.run("split-data", lambda: split_dataset(dataset, project.split, project.data.time), _describe_split)
    validation = runner.run(
        "validate-data", lambda: validate_data(dataset, split, project), lambda found: found.summary
    )
    for found in validation.findings:
        if found.is_found and (found.severity == "error" or found.code == NARROW or found in dataset.findings):
            runner.say(f"{found.severity} {found.code}: {found.message}")
    if not request.accept_data:
        validation.refuse()
    return _CheckedData(dataset, split, validation)


def _fit_and_evaluate(
    plan: _Plan,
    split: Split,
    tracker: ExperimentTracker,
    workspace: Workspace,
    runner: Runner,
    request: TrainingRequest,
) -> EvaluatedModel:
    project = plan.project
    metric = get_metric(project.training.metric)
    shared = None if request.storage is None else SharedSearch(request.storage, project.name)
    model = runner.run(
        "train-model",
        lambda: train_model(plan.recipes, split.train, project, runner.say, shared),
        lambda model: model.candidate.title,
    )
    return runner.run(
        "evaluate-model",
        lambda: evaluate_model(model, split, project, champion_importance(workspace.registry, tracker, project)),
        lambda trial: f"{metric.title.lower()} {trial.evaluation.metrics.get(metric.name, float('nan')):.4f}",
    )


def _describe_data(dataset: Dataset) -> str:
    labels = f"{format_count(len(dataset.classes), 'label')}, " if dataset.classes else ""
    return f"{format_count(len(dataset), 'row')}, {labels}from {dataset.source}"


def _describe_split(split: Split) -> str:
    return f"{len(split.train):,} train, {len(split.test):,} test"


def _describe_promotion(result: PromotionResult) -> str:
    return "now champion" if result.promoted else "waits for approval" if result.pending else "not promoted"
