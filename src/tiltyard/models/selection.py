"""Choosing among candidates, on the train side alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from tiltyard.data import Dataset
from tiltyard.models.candidates import Candidate
from tiltyard.models.crossval import CrossValidation, Plan


@dataclass(frozen=True)
class CandidateScore:
    """How a candidate did in cross-validation: the score of each fold, bigger is better.

    For metrics where less is better, such as log loss, the scores have the sign turned.
    """

    candidate: Candidate
    scores: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Mean over the folds."""
        return float(np.mean(self.scores))


def rank_candidates(
    candidates: Sequence[Candidate],
    train: Dataset,
    plan: Plan,
    on_scored: Callable[[CandidateScore], None] = lambda _score: None,
) -> list[CandidateScore]:
    """Cross-validate candidates on the same stratified folds of the train side; the best first.

    Recipes that read texts alike are judged together, on texts that are vectorised once for each fold; the vocabulary
    is learned from the fold's own training rows. Above 200,000 rows only one fold is held out.

    Args:
        candidates: at least one; of equals the one named first wins.
        train: the rows to divide into folds.
        plan: how they are judged.
        on_scored: called after each candidate, for progress.

    Raises:
        DataError: a label has fewer rows than there are folds.
        UsageError: there is no such metric.
    """
    validation = CrossValidation(train, plan)
    pipelines = [candidate.build(plan.random_state) for candidate in candidates]
    ranking = []
    for candidate, scores in zip(candidates, validation.scores(pipelines), strict=True):
        ranking.append(CandidateScore(candidate, scores))
        on_scored(ranking[-1])
    return sorted(ranking, key=lambda score: -score.mean)
