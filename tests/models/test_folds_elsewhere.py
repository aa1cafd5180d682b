"""Folds are scored in other processes as they are in this one."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from tests.models.corpus import dataset, texts
from tests.ray_cluster import start_cluster
from tiltyard.engines import Engine, LocalProcesses, RayCluster
from tiltyard.errors import UsageError
from tiltyard.models import (
    CandidateScore,
    SearchBudget,
    SearchTrial,
    SelectionPlan,
    rank_candidates,
    search,
    select_candidates,
)
from tiltyard.models.selection.cross_validation import CrossValidation

NAMES = ("tfidf-naive-bayes", "tfidf-logreg", "nbsvm")
PLAN = SelectionPlan("log_loss", 3, 7)


def rank(engine: Engine | None) -> list[tuple[str, tuple[float, ...], float]]:
    """The ranking of some candidates, and in which order their scores were known."""
    shown: list[str] = []

    def tell(score: CandidateScore) -> None:
        shown.append(score.candidate.name)

    candidates = select_candidates(NAMES, "text-classification")
    rows = dataset(*texts(90))
    found = rank_candidates(candidates, rows, metric="log_loss", folds=3, random_state=5, on_scored=tell, engine=engine)
    assert sorted(shown) == sorted(NAMES)
    return [(score.candidate.name, score.scores, score.second) for score in found]


def seek(engine: Engine | None) -> list[tuple[str, dict[str, object], tuple[float, ...]]]:
    """The trials of a search."""
    candidates = select_candidates(NAMES[:2], "text-classification")
    shown: list[SearchTrial] = []
    found = search(candidates, dataset(*texts(60)), PLAN, SearchBudget(6), shown.append, engine)
    assert list(found.trials) == shown
    return [(trial.candidate.name, dict(trial.params), trial.scores) for trial in found.trials]


def test_other_processes_of_this_machine_find_the_same() -> None:
    """A ranking and a search are the same to the bit, trial by trial."""
    with closing(LocalProcesses(2)) as engine:
        assert rank(engine) == rank(None)
        assert seek(engine) == seek(None)


@pytest.mark.journey
def test_a_cluster_finds_the_same(tmp_path: Path) -> None:
    """A ranking and a search on a Ray cluster of two nodes are those of this process, to the bit."""
    with start_cluster(2) as nodes:
        assert rank(RayCluster(nodes.address)) == rank(None)
        assert seek(RayCluster(nodes.address)) == seek(None)


def test_a_recipe_that_cannot_be_sent_is_named() -> None:
    """The error says what to do; in this process the same recipe is scored."""
    (known,) = select_candidates(NAMES[:1], "text-classification")
    pipeline = Pipeline([("same", FunctionTransformer(lambda rows: rows)), *known.build(0).steps])
    rows = dataset(*texts(60))
    with CrossValidation.open(rows, PLAN) as here:
        assert np.isfinite(here.scores([pipeline])[0].metric).all()
    with (
        CrossValidation.open(rows, PLAN, LocalProcesses(2)) as there,
        pytest.raises(UsageError, match="cannot be sent"),
    ):
        there.scores([pipeline])
