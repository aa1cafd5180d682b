"""Choosing among candidates, on the train side alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.model_selection import StratifiedKFold, cross_val_score

from tiltyard.data import Dataset
from tiltyard.errors import DataError
from tiltyard.models.candidates import Candidate

# Metric names of the project file and the scorers by which scikit-learn knows them.
SCORERS = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced_accuracy",
    "f1": "f1_macro",
    "f1_macro": "f1_macro",
    "f1_weighted": "f1_weighted",
    "precision": "precision_macro",
    "recall": "recall_macro",
    "roc_auc": "roc_auc_ovr",
    "log_loss": "neg_log_loss",
}


@dataclass(frozen=True)
class CandidateScore:
    """How a candidate did in cross-validation: the score of each fold, bigger is better."""

    candidate: Candidate
    scores: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Mean over the folds."""
        return float(np.mean(self.scores))


def rank_candidates(
    candidates: Sequence[Candidate],
    train: Dataset,
    *,
    metric: str,
    folds: int,
    random_state: int,
    on_scored: Callable[[CandidateScore], None] = lambda _score: None,
) -> list[CandidateScore]:
    """Cross-validate candidates on the same stratified folds of the train side; the best first.

    Args:
        candidates: at least one; a single one is not worth a cross-validation and gets no scores by this function.
        train: the rows to divide into folds.
        metric: metric name of the project file.
        folds: number of folds, at least 2.
        random_state: seed of the folds and of the candidates.
        on_scored: called after each candidate, for progress.

    Raises:
        DataError: a label has fewer rows than there are folds.
    """
    rarest = train.labels.value_counts()
    if rarest.iloc[-1] < folds:
        raise DataError(
            f"The label {rarest.index[-1]!r} has {rarest.iloc[-1]} rows on the train side; choosing among "
            f"{len(candidates)} candidates by {folds}-fold cross-validation needs {folds}.",
            next_step="Add rows of it, lower training.folds, or name a single candidate.",
        )
    parts = StratifiedKFold(n_splits=folds, shuffle=True, random_state=random_state)
    ranking = []
    for candidate in candidates:
        scores = cross_val_score(
            candidate.build(random_state), train.inputs, train.labels, cv=parts, scoring=SCORERS[metric]
        )
        ranking.append(CandidateScore(candidate, tuple(float(score) for score in scores)))
        on_scored(ranking[-1])
    return sorted(ranking, key=lambda score: -score.mean)
