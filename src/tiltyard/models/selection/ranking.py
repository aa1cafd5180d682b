"""Choosing among candidates, on the train side alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tiltyard.data import Dataset
from tiltyard.engines import Engine
from tiltyard.models.candidates import Candidate
from tiltyard.models.selection.cross_validation import CrossValidation, FoldScores, SelectionPlan
from tiltyard.tasks import DecisionRule


@dataclass(frozen=True)
class CandidateScore:
    """How a candidate did in cross-validation: the score of each fold, bigger is better.

    For metrics where less is better, such as log loss, the scores have the sign turned.

    Attributes:
        candidate: which one.
        scores: by the metric, fold by fold.
        second: what decides between even ones, mean over the folds, less being better: log loss, or of numbers the root
            mean squared error.
    """

    candidate: Candidate
    scores: tuple[float, ...]
    second: float = float("nan")

    @property
    def mean(self) -> float:
        """Mean over the folds."""
        return float(np.mean(self.scores))

    def is_even_with(self, best: CandidateScore) -> bool:
        """Whether it falls short of the best by no more than one standard error of the difference over the folds."""
        if len(self.scores) < 2:
            return self.mean == best.mean
        short = np.subtract(best.scores, self.scores)
        return bool(short.mean() <= short.std(ddof=1) / np.sqrt(len(short)))


def rank_candidates(  # noqa: PLR0913  the names of the project file's section
    candidates: Sequence[Candidate],
    train: Dataset,
    *,
    metric: str,
    folds: int,
    random_state: int,
    positive: str | None = None,
    in_order: bool = False,
    group: str | None = None,
    prices: DecisionRule | None = None,
    on_scored: Callable[[CandidateScore], None] = lambda _score: None,
    engine: Engine | None = None,
    root: Path | None = None,
) -> list[CandidateScore]:
    """Cross-validate candidates on the same stratified folds of the train side; the best first.

    Recipes that read texts alike are evaluated together, on texts that are vectorised once for each fold; the
    vocabulary is learned from the fold's own training rows. Above 200,000 rows only one fold is held out.

    Of those that are even with the best by the metric (within one standard error; Breiman, Friedman, Olshen and Stone,
    1984), the one with the least log loss comes first: it measures how sure each prediction was, and so separates
    candidates where counting right predictions cannot (a strictly proper score; Gneiting and Raftery, 2007). The rest
    follow by the metric. Of numbers the least root mean squared error decides.

    Args:
        candidates: at least one; of equals the one named first wins.
        train: the rows to divide into folds.
        metric: metric name of the project file.
        folds: number of folds, at least 2.
        random_state: seed of the folds and of the candidates.
        positive: the label that counts as positive where there are two; default: the last in sorted order.
        in_order: folds are rows that stand together, within each label, rather than any; see ``SelectionPlan``.
        group: column of the rows that belong together, which are then held out together.
        prices: what decisions cost; see ``SelectionPlan``.
        on_scored: called for each candidate when its scores are known, for progress.
        engine: where folds are scored; default: in this process, one after the other.
        root: the project's folder; see ``SelectionPlan``.

    Raises:
        DataError: a label has fewer rows than there are folds, or groups are too few or too uneven for folds.
        UsageError: there is no such metric.
    """
    plan = SelectionPlan(metric, folds, random_state, positive, in_order, group, prices, root)
    ranking: dict[int, CandidateScore] = {}

    def add_score(position: int, scores: FoldScores) -> None:
        ranking[position] = CandidateScore(candidates[position], scores.metric, -float(np.mean(scores.second)))
        on_scored(ranking[position])

    with CrossValidation.open(train, plan, engine) as validation:
        validation.scores([candidate.build(random_state) for candidate in candidates], add_score)
    return best_within_noise([ranking[position] for position in range(len(candidates))])


def best_within_noise(found: Sequence[CandidateScore]) -> list[CandidateScore]:
    """Scores by the metric, but for the first: of those even with the best, the one with the least log loss."""
    by_metric = sorted(found, key=lambda score: -score.mean)
    even = [score for score in by_metric if score.is_even_with(by_metric[0])]
    first = min(even, key=lambda score: score.second)
    return [first, *(score for score in by_metric if score is not first)]
