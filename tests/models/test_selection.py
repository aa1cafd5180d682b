"""Choosing among candidates by cross-validation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import Pipeline

from tests.models.corpus import dataset, texts
from tiltyard.data import Dataset
from tiltyard.errors import DataError, UsageError
from tiltyard.evaluation import METRICS, evaluate
from tiltyard.models import Candidate, CandidateScore, rank_candidates, select_candidates
from tiltyard.models.selection.folds import make_folds
from tiltyard.models.selection.ranking import best_within_noise
from tiltyard.targets.classes import models as class_models

NAMES = ("tfidf-naive-bayes", "nbsvm", "tfidf-logreg", "linear-svm")


def rank(names: tuple[str, ...] = NAMES, metric: str = "log_loss", seed: int = 5) -> list[CandidateScore]:
    """Candidates evaluated on the invented texts."""
    rows = dataset(*texts(90))
    candidates = select_candidates(names, "text-classification")
    return rank_candidates(candidates, rows, metric=metric, folds=3, random_state=seed)


@pytest.fixture(scope="module")
def ranking() -> list[CandidateScore]:
    """The ranking of the usual candidates, which no test changes."""
    return rank()


def test_sharing_the_vectoriser_changes_no_score(ranking: list[CandidateScore]) -> None:
    """Each candidate's scores are those of scikit-learn's cross-validation of its whole pipeline on the same folds."""
    inputs, labels = texts(90)
    parts = StratifiedKFold(3, shuffle=True, random_state=5)
    for found in ranking:
        pipeline = clone(found.candidate.build(5))
        alone = cross_val_score(pipeline, inputs, labels, cv=parts, scoring="neg_log_loss")
        np.testing.assert_allclose(found.scores, alone, rtol=1e-9)


def test_the_best_mean_stands_first_and_the_first_named_wins_a_tie(ranking: list[CandidateScore]) -> None:
    """The ranking descends by mean score; of equals the one that the project names first is taken."""
    assert [score.mean for score in ranking] == sorted((score.mean for score in ranking), reverse=True)
    for names in (("tfidf-logreg", "twin"), ("twin", "tfidf-logreg")):
        (known,) = select_candidates(("tfidf-logreg",), "text-classification")
        twin = Candidate("twin", "The same", "text-classification", known.build)
        pair = [twin if name == "twin" else known for name in names]
        even = rank_candidates(pair, dataset(*texts(60)), metric="accuracy", folds=3, random_state=0)
        assert [score.candidate.name for score in even] == list(names)


def scored(name: str, scores: tuple[float, ...], log_loss: float) -> CandidateScore:
    (known,) = select_candidates(("tfidf-logreg",), "text-classification")
    return CandidateScore(Candidate(name, name, known.task, known.build), scores, log_loss)


def test_of_even_candidates_the_surer_one_is_first() -> None:
    """Within one standard error of the best, log loss decides; beyond, and with a single fold, the metric does."""
    best = scored("best", (0.92, 0.93, 0.91), 0.26)
    even = scored("even", (0.93, 0.91, 0.915), 0.23)
    worse = scored("worse", (0.90, 0.91, 0.89), 0.10)
    assert [score.candidate.name for score in best_within_noise([worse, best, even])] == ["even", "best", "worse"]
    alone = [scored("one", (0.9,), 0.3), scored("other", (0.9001,), 0.4)]
    assert best_within_noise(alone)[0].candidate.name == "other"
    assert best_within_noise([scored("a", (0.9, 0.8), 0.3), scored("b", (0.9, 0.8), 0.2)])[0].candidate.name == "b"


def test_each_candidate_is_reported_once_when_it_is_scored() -> None:
    """Progress names every candidate once, with the scores of the ranking."""
    reported: list[CandidateScore] = []
    rows = dataset(*texts(60))
    ranking = rank_candidates(
        select_candidates(NAMES, "text-classification"),
        rows,
        metric="accuracy",
        folds=3,
        random_state=0,
        on_scored=reported.append,
    )
    assert sorted(reported, key=lambda score: score.candidate.name) == sorted(ranking, key=lambda s: s.candidate.name)


def test_the_seed_makes_the_folds(ranking: list[CandidateScore]) -> None:
    """One seed gives one ranking with equal scores; another seed gives other scores."""
    scores = [score.scores for score in ranking]
    assert scores == [score.scores for score in rank()]
    assert scores != [score.scores for score in rank(seed=6)]


def test_tables_are_scored_whole() -> None:
    """A table's recipes are cross-validated with their preparation of columns inside the folds."""
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"size": random.normal(size=80), "kind": random.choice(["a", "b"], 80)})
    labels = pd.Series(np.where(frame["size"] > 0, "big", "small"))
    candidates = select_candidates(("logreg", "gradient-boosting"), "tabular-classification")
    rows = dataset(frame, labels, "tabular-classification")
    ranking = rank_candidates(candidates, rows, metric="accuracy", folds=4, random_state=0)
    assert min(score.mean for score in ranking) > 0.9


def test_a_label_with_fewer_rows_than_folds_is_named() -> None:
    """Folds that cannot be made are refused with the label and its rows."""
    inputs, labels = texts(60)
    labels[:2] = "rare"
    candidates = select_candidates(NAMES, "text-classification")
    with pytest.raises(DataError, match="'rare' has 2 rows"):
        rank_candidates(candidates, dataset(inputs, labels), metric="accuracy", folds=3, random_state=0)


def grouped(customers: list[str], labels: list[str]) -> Dataset:
    inputs = pd.Series([f"letter {place}" for place in range(len(labels))], dtype=object)
    rows = dataset(inputs, pd.Series(labels))
    return replace(rows, frame=rows.frame.assign(customer=customers))


@pytest.mark.parametrize("many", [0, 20_000])
def test_a_group_is_held_out_whole(monkeypatch: pytest.MonkeyPatch, many: int) -> None:
    """No fold learns from a group that it holds out, and folds have about the same shares of labels."""
    monkeypatch.setattr(class_models, "MANY_GROUPS", many)
    rows = grouped([f"c{place // 4}" for place in range(200)], ["a", "b", "a", "b"] * 50)
    customers, labels = rows.frame["customer"].to_numpy(), rows.labels.to_numpy()
    parts = make_folds(rows, 4, 7, group="customer")
    assert sorted(np.concatenate([held_out for _, held_out in parts])) == list(range(200))
    for learnt, held_out in parts:
        assert not set(customers[learnt]) & set(customers[held_out])
        assert abs((labels[held_out] == "a").mean() - 0.5) < 0.1


def test_too_few_groups_for_the_folds_are_named() -> None:
    """Fewer groups than folds, and a label that one group alone has, are refused before any fitting."""
    with pytest.raises(DataError, match="2 groups of 'customer'; 3-fold"):
        make_folds(grouped(["x", "y"] * 30, ["a", "b"] * 30), 3, 0, group="customer")
    labels = ["a", "b"] * 30
    labels[:9] = ["c"] * 9
    with pytest.raises(DataError, match="'c' occurs in 1 group of 'customer'"):
        make_folds(grouped([f"c{place // 10}" for place in range(60)], labels), 3, 0, group="customer")


def test_an_unknown_metric_is_refused_with_the_nearest() -> None:
    """A metric that nothing can be chosen by is refused before any work."""
    with pytest.raises(UsageError, match="Did you mean 'accuracy'"):
        rank(metric="acuracy")


@pytest.mark.parametrize("labels", [2, 3])
@pytest.mark.parametrize("metric", METRICS)
def test_the_score_of_selection_is_evaluations_metric(metric: str, labels: int) -> None:
    """A fold's score is evaluation's value on the same predictions, signed so that bigger is better."""
    random = np.random.default_rng(labels)
    frame = pd.DataFrame({"size": random.normal(size=90), "weight": random.normal(size=90)})
    truth = pd.Series(np.array(["ant", "bee", "cat"])[(frame["size"] + frame["weight"] > 0).astype(int)])
    truth[: 30 * (labels - 2)] = "cat"
    candidate = Candidate("bayes", "Bayes", "tabular-classification", lambda _seed: Pipeline([("nb", GaussianNB())]))
    rows = dataset(frame, truth, "tabular-classification")
    (ranked,) = rank_candidates([candidate], rows, metric=metric, folds=3, random_state=5, positive="ant")
    expected = []
    for taught, held_out in StratifiedKFold(3, shuffle=True, random_state=5).split(truth, truth):
        model = candidate.build(5).fit(frame.iloc[taught], truth.iloc[taught])
        predicted, probabilities = model.predict(frame.iloc[held_out]), model.predict_proba(frame.iloc[held_out])
        measured = evaluate(truth.iloc[held_out].tolist(), predicted, probabilities, tuple(model.classes_), "ant")
        expected.append(measured.metrics[metric])
    sign = 1 if METRICS[metric].bigger_is_better else -1
    np.testing.assert_allclose(ranked.scores, sign * np.array(expected), rtol=1e-9)


def test_folds_in_order_hold_out_what_stands_together() -> None:
    """With neighbours that repeat each other, any rows as folds flatter a recipe, and folds in order do not."""
    random = np.random.default_rng(0)
    made = [f"w{random.integers(10**6)} x{random.integers(10**6)}" for _ in range(15)]
    inputs = pd.Series([text for text in made for _ in range(8)])
    labels = pd.Series([label for label in random.permutation(["a"] * 8 + ["b"] * 7) for _ in range(8)])
    candidates = select_candidates(("tfidf-logreg",), "text-classification")
    by_any, in_order = (
        rank_candidates(
            candidates, dataset(inputs, labels), metric="accuracy", folds=3, random_state=0, in_order=ordered
        )[0].mean
        for ordered in (False, True)
    )
    assert by_any == 1
    assert in_order < 0.8
