"""The steps of a training, as plain functions over values."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from tiltyard.data import Dataset, Split
from tiltyard.evaluation import Evaluation, Importance, Judged, evaluate_judged, judged
from tiltyard.models import (
    FEW_ROWS,
    Budget,
    Candidate,
    CandidateScore,
    Plan,
    SearchTrial,
    fitting_threads,
    rank_candidates,
    search,
)
from tiltyard.pipeline.examination import Examination, examine_model
from tiltyard.pipeline.mitigation import fit_params
from tiltyard.project import Project


@dataclass(frozen=True)
class TrainedModel:
    """A fitted candidate.

    Attributes:
        candidate: the recipe.
        pipeline: the fitted estimator.
        ranking: cross-validation scores of all candidates, best first; empty where there was one candidate.
        seconds: time of choosing and fitting.
        trials: what a search tried, in order; empty where there was none.
    """

    candidate: Candidate
    pipeline: Pipeline
    ranking: tuple[CandidateScore, ...]
    seconds: float
    trials: tuple[SearchTrial, ...] = ()

    @property
    def classes(self) -> tuple[str, ...]:
        """The labels in the order of the probability columns."""
        return tuple(str(label) for label in self.pipeline.classes_)

    @property
    def num_features(self) -> int:
        """Number of features that the final classifier sees; 0 where it does not tell."""
        return int(getattr(self.pipeline[-1], "n_features_in_", 0))


@dataclass(frozen=True)
class Answers:
    """What a model said about n rows.

    Attributes:
        labels: n predicted labels.
        probabilities: (n, k), columns in the order of ``classes``.
        classes: k labels.
    """

    labels: NDArray[np.str_]
    probabilities: NDArray[np.float64]
    classes: tuple[str, ...]

    def take(self, chosen: NDArray[np.bool_]) -> Answers:
        """The answers where ``chosen`` (n booleans) is true."""
        return Answers(self.labels[chosen], self.probabilities[chosen], self.classes)

    def widened(self, classes: tuple[str, ...]) -> NDArray[np.float64]:
        """The probabilities with a column for each of ``classes``; a label that is not known here has 0."""
        widened = np.zeros((len(self.labels), len(classes)))
        widened[:, [classes.index(label) for label in self.classes]] = self.probabilities
        return widened


@dataclass(frozen=True)
class Trial:
    """A fitted candidate, judged.

    Attributes:
        split: the rows that taught and the rows that judged.
        model: the fitted candidate.
        answers: what it said about the test rows.
        evaluation: how that compares with the truth.
        examination: a closer look: slices, fairness, calibration and what the model goes by.
    """

    split: Split
    model: TrainedModel
    answers: Answers
    evaluation: Evaluation
    examination: Examination


def train_model(
    candidates: Sequence[Candidate],
    train: Dataset,
    project: Project,
    say: Callable[[str], None],
) -> TrainedModel:
    """Choose a candidate by cross-validation on the train side, where there are several, and fit it there."""
    with fitting_threads(candidates, len(train)):
        return _train(candidates, train, project, say)


def _train(
    candidates: Sequence[Candidate], train: Dataset, project: Project, say: Callable[[str], None]
) -> TrainedModel:
    started = time.perf_counter()
    chosen, ranking, tried = _choose(candidates, train, project, say)
    pipeline = chosen.build(project.training.random_state)
    pipeline.fit(train.inputs, train.labels, **fit_params(pipeline, train, project))
    return TrainedModel(chosen, pipeline, ranking, time.perf_counter() - started, tried)


def _choose(
    candidates: Sequence[Candidate], train: Dataset, project: Project, say: Callable[[str], None]
) -> tuple[Candidate, tuple[CandidateScore, ...], tuple[SearchTrial, ...]]:
    """The candidate to train: found by search, by cross-validation, or the only one."""
    asked = project.training
    plan = Plan(asked.metric, asked.folds, asked.random_state, project.data.positive)
    budget = Budget(asked.search.trials, asked.search.seconds)
    if budget.trials is not None or budget.seconds is not None:
        found = search(candidates, train, plan, budget, lambda trial: say(_describe(trial, asked.metric)))
        return found.best.candidate, (), found.trials
    if len(candidates) == 1:
        return candidates[0], (), ()
    ranking = rank_candidates(
        candidates,
        train,
        metric=plan.metric,
        folds=plan.folds,
        random_state=plan.random_state,
        positive=plan.positive,
        on_scored=lambda score: say(f"{score.candidate.name}: {asked.metric} {score.mean:.4f}"),
    )
    return ranking[0].candidate, tuple(ranking), ()


def _describe(trial: SearchTrial, metric: str) -> str:
    params = ", ".join(
        f"{name.removeprefix('classifier__')}={f'{value:.4g}' if isinstance(value, float) else value}"
        for name, value in trial.params.items()
    )
    outcome = f"failed: {trial.problem}" if trial.problem else f"{metric} {trial.mean:.4f}"
    return f"trial {trial.number}: {trial.candidate.name} {params or 'as it stands'}: {outcome} ({trial.seconds:.1f} s)"


def answer(pipeline: Any, inputs: pd.Series | pd.DataFrame) -> Answers:
    """Let a fitted pipeline answer n rows."""
    probabilities = np.asarray(pipeline.predict_proba(inputs), dtype=np.float64)
    classes = np.asarray(pipeline.classes_, dtype=str)
    return Answers(classes[np.argmax(probabilities, axis=1)], probabilities, tuple(classes.tolist()))


def judge_answers(answers: Answers, test: Dataset, project: Project) -> Judged:
    """Put answers to the test side beside the truth."""
    truth = test.labels.to_numpy(dtype=str)
    return judged(truth, answers.labels, answers.probabilities, answers.classes, project.data.positive)


def evaluate_model(model: TrainedModel, split: Split, project: Project, champion: Importance | None = None) -> Trial:
    """Judge a fitted candidate on the test side; ``champion`` is what the champion goes by, where there is one."""
    with threadpool_limits(1 if len(split.test) < FEW_ROWS else None, user_api="openmp"):
        answers = answer(model.pipeline, split.test.inputs)
    facts = judge_answers(answers, split.test, project)
    examination = examine_model(model.pipeline, facts, split.test, project, champion)
    return Trial(split, model, answers, evaluate_judged(facts), examination)
