"""The steps of a training, as plain functions over values."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from tiltyard.data import Dataset, Split
from tiltyard.engines import Engine, choose_engine
from tiltyard.evaluation import (
    AnyEvaluation,
    EvaluatedRows,
    GuessBaseline,
    Importance,
    NumberEvaluation,
    evaluate_rows,
    get_metric,
    guess_baseline,
)
from tiltyard.models import (
    FEW_ROWS,
    Candidate,
    CandidateScore,
    SearchBudget,
    SearchResult,
    SearchTrial,
    SelectionPlan,
    limit_fitting_threads,
    rank_candidates,
    search,
)
from tiltyard.models.preprocessing import drop_unused_dates
from tiltyard.models.recipes.task_part import TaskModels
from tiltyard.models.selection.decision import check_decision, find_prices, tune_decision_rule
from tiltyard.models.selection.fit_errors import explain_fit_errors
from tiltyard.models.selection.shared_search import SharedSearch, search_together
from tiltyard.pipeline.training.bias_mitigation import fit_params
from tiltyard.pipeline.training.retrainings import plan_retrainings
from tiltyard.project import Project
from tiltyard.promotion.model_analysis import ModelAnalysis, analyse_model
from tiltyard.promotion.offline_predictions import Predicted, PredictedRows, compare_with_labels, predict_rows
from tiltyard.registry.foreign.searches import take_best_estimator
from tiltyard.registry.package.stored_evaluation import ConfusedLabels, StoredEvaluation
from tiltyard.tasks import DecisionRule


@dataclass(frozen=True)
class TrainedModel:
    """A fitted candidate.

    Attributes:
        candidate: the recipe.
        pipeline: the fitted estimator.
        ranking: cross-validation scores of all candidates, best first; empty where there was one candidate.
        seconds: time of choosing and fitting.
        trials: what a search tried, in order; empty where there was none.
        decision: which label it predicts at which probabilities; None for the likeliest.
    """

    candidate: Candidate
    pipeline: Pipeline
    ranking: tuple[CandidateScore, ...]
    seconds: float
    trials: tuple[SearchTrial, ...] = ()
    decision: DecisionRule | None = None

    @property
    def classes(self) -> tuple[str, ...]:
        """The labels in the order of the probability columns; none where it predicts numbers."""
        return TaskModels.find_for(self.candidate.task).list_model_classes(self.pipeline)

    @property
    def num_features(self) -> int:
        """Number of features that the final classifier sees; 0 where it does not tell."""
        return int(getattr(self.pipeline[-1], "n_features_in_", 0))


@dataclass(frozen=True)
class EvaluatedModel:
    """A fitted candidate, evaluated.

    Attributes:
        split: the training rows and the test rows.
        model: the fitted candidate.
        predictions: its predictions for the test rows.
        evaluation: how these compare with the truth.
        examination: a closer look: slices, fairness, calibration and what its predictions depend on.
        guess: what always guessing reaches on the same rows, by the project's metric.
        facts: the predictions with the truth.
    """

    split: Split
    model: TrainedModel
    predictions: Predicted
    evaluation: AnyEvaluation
    examination: ModelAnalysis
    guess: GuessBaseline
    facts: EvaluatedRows

    @property
    def class_predictions(self) -> PredictedRows:
        """The predictions of a model of classes.

        Raises:
            TypeError: it predicts numbers.
        """
        if not isinstance(self.predictions, PredictedRows):
            raise TypeError("the model predicts numbers, not classes")
        return self.predictions

    def to_stored(self) -> StoredEvaluation:
        """What of the evaluation travels with the version, and is shown of it."""
        found, analysis = self.evaluation, self.examination
        return StoredEvaluation(
            rows=found.rows,
            metric=self.guess.metric,
            value=found.metrics.get(self.guess.metric),
            guesses={str(kind): value for kind, value in self.guess.values.items()},
            **_describe_kind(found),
            fairness=analysis.fairness,
            importance=analysis.importance,
            change=analysis.change,
        )


def _describe_kind(found: AnyEvaluation) -> dict[str, Any]:
    """What is stored of an evaluation of classes, or of numbers."""
    if isinstance(found, NumberEvaluation):
        return {"bias": found.bias, "error_quantiles": dict(found.error_quantiles)}
    confusion = tuple(
        ConfusedLabels(true, predicted, count)
        for true, counts in enumerate(found.confusion_matrix)
        for predicted, count in enumerate(counts)
        if count
    )
    return {"classes": found.classes, "confusion": confusion}


def train_model(
    candidates: Sequence[Candidate],
    train: Dataset,
    project: Project,
    say: Callable[[str], None],
    shared: SharedSearch | None = None,
) -> TrainedModel:
    """Choose a candidate by cross-validation on the train side, where there are several, and fit it there.

    Args:
        candidates: at least one.
        train: the train side.
        project: says how one is chosen.
        say: shows progress.
        shared: where a search is shared with other machines; None for a search of this one.
    """
    with limit_fitting_threads(candidates, len(train)):
        return _train(candidates, train, project, say, shared)


def help_search(
    candidates: Sequence[Candidate],
    train: Dataset,
    project: Project,
    say: Callable[[str], None],
    shared: SharedSearch,
) -> SearchResult:
    """Try what a search of another machine has not tried yet; see ``search_together``."""
    with limit_fitting_threads(candidates, len(train)):
        check_decision(project.decision, train)
        return _search(candidates, train, project, say, shared)


def _train(
    candidates: Sequence[Candidate],
    train: Dataset,
    project: Project,
    say: Callable[[str], None],
    shared: SharedSearch | None,
) -> TrainedModel:
    started = time.perf_counter()
    check_decision(project.decision, train)
    with explain_fit_errors("A candidate", train):
        chosen, ranking, tried = _choose(candidates, train, project, say, shared)

    def fit(rows: Dataset) -> Pipeline:
        pipeline = chosen.build(project.training.random_state)
        fitted = pipeline.fit(rows.inputs, rows.labels, **fit_params(pipeline, rows, project))
        return take_best_estimator(fitted)

    with explain_fit_errors(f"The candidate '{chosen.name}'", train):
        pipeline = fit(train)
        drop_unused_dates(pipeline)
        rule = tune_decision_rule(project.decision, train, fit, _plan_selection(project, train))
    if rule is not None:
        say(rule.describe())
    return TrainedModel(chosen, pipeline, ranking, time.perf_counter() - started, tried, rule)


def _choose(
    candidates: Sequence[Candidate],
    train: Dataset,
    project: Project,
    say: Callable[[str], None],
    shared: SharedSearch | None,
) -> tuple[Candidate, tuple[CandidateScore, ...], tuple[SearchTrial, ...]]:
    """The candidate to train: found by search, by cross-validation, or the only one."""
    options, plan = project.training, _plan_selection(project, train)
    if options.search.trials is not None or options.search.seconds is not None:
        found = _search(candidates, train, project, say, shared)
        return found.best.candidate, (), found.trials
    if len(candidates) == 1:
        return candidates[0], (), ()
    sign = 1.0 if get_metric(options.metric).bigger_is_better else -1.0
    with closing(_choose_engine(project)) as engine:
        ranking = rank_candidates(
            candidates,
            train,
            metric=plan.metric,
            folds=plan.folds,
            random_state=plan.random_state,
            positive=plan.positive,
            group=plan.group,
            prices=plan.prices,
            on_scored=lambda score: say(f"{score.candidate.name}: {options.metric} {sign * score.mean:.4f}"),
            engine=engine,
            root=plan.root,
        )
    return ranking[0].candidate, tuple(ranking), ()


def _search(
    candidates: Sequence[Candidate],
    train: Dataset,
    project: Project,
    say: Callable[[str], None],
    shared: SharedSearch | None,
) -> SearchResult:
    options, plan = project.training, _plan_selection(project, train)
    budget = SearchBudget(options.search.trials, options.search.seconds)

    def show(trial: SearchTrial) -> None:
        say(_describe(trial, options.metric))

    with closing(_choose_engine(project)) as engine:
        if shared is None:
            return search(candidates, train, plan, budget, show, engine)
        return search_together(candidates, train, plan, budget, shared, on_trial=show, engine=engine)


def _plan_selection(project: Project, train: Dataset) -> SelectionPlan:
    options = project.training
    return SelectionPlan(
        options.metric,
        options.folds,
        options.random_state,
        project.data.positive,
        group=project.split.group,
        prices=find_prices(project.decision, train.classes) if project.decision.costs else None,
        root=project.root,
    )


def _choose_engine(project: Project) -> Engine:
    """Where folds are scored: in this process, unless the project names others."""
    options = project.training
    return choose_engine(options.engine, options.workers or (1 if options.engine == "local" else None))


def _describe(trial: SearchTrial, metric: str) -> str:
    params = ", ".join(
        f"{name}={f'{value:.4g}' if isinstance(value, float) else value}"
        for name, value in (
            (name.removeprefix("classifier__").removeprefix("regressor__"), value)
            for name, value in trial.params.items()
        )
    )
    sign = 1.0 if get_metric(metric).bigger_is_better else -1.0
    outcome = f"failed: {trial.problem}" if trial.problem else f"{metric} {sign * trial.mean:.4f}"
    return f"trial {trial.number}: {trial.candidate.name} {params or 'as it stands'}: {outcome} ({trial.seconds:.1f} s)"


def evaluate_model(
    model: TrainedModel, split: Split, project: Project, champion: Importance | None = None
) -> EvaluatedModel:
    """Evaluate a fitted candidate on the test side; ``champion`` is what the champion goes by, where there is one."""
    with threadpool_limits(1 if len(split.test) < FEW_ROWS else None, user_api="openmp"):
        predictions = predict_rows(model.pipeline, split.test, model.decision)
    facts = compare_with_labels(predictions, split.test, project)
    retrain = plan_retrainings(model.candidate, split.train, project, model.seconds)
    examination = analyse_model(model.pipeline, facts, split.test, project, champion, retrain)
    guess = guess_baseline(get_metric(project.training.metric), facts, seed=project.training.random_state)
    return EvaluatedModel(split, model, predictions, evaluate_rows(facts), examination, guess, facts)
