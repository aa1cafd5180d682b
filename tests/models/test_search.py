"""The search over candidates and their parameters."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
from sklearn.pipeline import Pipeline

from tests.models.corpus import dataset, texts
from tiltyard.errors import MissingExtraError, UsageError
from tiltyard.models import CANDIDATES, Candidate, SelectionPlan, rank_candidates, select_candidates
from tiltyard.models.search_space import Choice, FloatRange, IntegerRange
from tiltyard.models.selection.search import SearchBudget, SearchTrial, search

PLAN = SelectionPlan("log_loss", 3, 7)
NAMES = ("tfidf-naive-bayes", "tfidf-logreg")


def searched(*names: str, trials: int = 6, seed: int = 7) -> tuple[SearchTrial, ...]:
    """The trials of a search on the invented texts."""
    candidates = select_candidates(names or NAMES, "text-classification")
    return search(candidates, dataset(*texts(60)), SelectionPlan("log_loss", 3, seed), SearchBudget(trials)).trials


def describe_trials(trials: tuple[SearchTrial, ...]) -> list[Any]:
    """What must be equal where two searches are."""
    return [(trial.candidate.name, dict(trial.params), trial.scores) for trial in trials]


def test_a_search_is_repeated_by_its_seed() -> None:
    """One seed gives one list of trials and scores; another seed tries something else."""
    trials = describe_trials(searched())
    assert trials == describe_trials(searched())
    assert trials != describe_trials(searched(seed=8))


def test_every_candidate_is_tried_as_it_stands_first() -> None:
    """The first trials are the ranking without a search, so that a search never chooses worse than that."""
    trials = searched(*NAMES, "nbsvm", trials=4)
    assert [trial.candidate.name for trial in trials[:3]] == [*NAMES, "nbsvm"]
    assert [dict(trial.params) for trial in trials[:3]] == [{}, {}, {}]
    ranking = rank_candidates(
        select_candidates((*NAMES, "nbsvm"), "text-classification"),
        dataset(*texts(60)),
        metric="log_loss",
        folds=3,
        random_state=7,
    )
    alone = {score.candidate.name: score.scores for score in ranking}
    for trial in trials[:3]:
        np.testing.assert_allclose(trial.scores, alone[trial.candidate.name], rtol=1e-12)
    assert len(trials) == 4


def test_trials_stay_within_the_declared_space() -> None:
    """Every parameter that is tried lies in its candidate's range and is set in the pipeline that is evaluated."""
    for trial in searched(trials=12)[2:]:
        assert set(trial.params) == set(trial.candidate.space)
        pipeline = trial.candidate.build(0).get_params()
        for name, allowed in trial.candidate.space.items():
            assert pipeline[name] == trial.params[name]
            if isinstance(allowed, Choice):
                assert trial.params[name] in allowed.values
            else:
                assert allowed.low <= trial.params[name] <= allowed.high
                assert isinstance(trial.params[name], int if isinstance(allowed, IntegerRange) else float)


def test_the_best_trial_is_found_again_by_its_candidate() -> None:
    """The best has the greatest mean, and its candidate builds the pipeline that had that score."""
    candidates = select_candidates(NAMES, "text-classification")
    rows = dataset(*texts(60))
    result = search(candidates, rows, PLAN, SearchBudget(trials=10))
    best = result.best
    (again,) = rank_candidates([best.candidate], rows, metric="log_loss", folds=3, random_state=7)
    np.testing.assert_allclose(again.scores, best.scores, rtol=1e-12)
    assert best.mean == max(trial.mean for trial in result.trials)


def test_a_search_improves_a_recipe_that_is_badly_set() -> None:
    """A recipe with far too strong a penalty is beaten by what the search finds."""

    def build(random_state: int) -> Pipeline:
        return CANDIDATES["tfidf-logreg"].build(random_state).set_params(classifier__C=1e-4)

    space = {"classifier__C": FloatRange(1e-4, 100.0, log=True)}
    recipe = Candidate("weak", "Weak", "text-classification", build, space)
    result = search([recipe], dataset(*texts(90)), PLAN, SearchBudget(trials=10))
    assert result.best.mean > result.trials[0].mean + 0.3


def test_parameters_that_fit_no_data_fail_their_trial_alone() -> None:
    """A trial whose vocabulary is empty is reported as failed, and the search continues."""
    space = {"tfidf__min_df": Choice((10_000, 1))}
    recipe = Candidate("picky", "Picky", "text-classification", CANDIDATES["tfidf-naive-bayes"].build, space)
    seen: list[SearchTrial] = []
    result = search([recipe], dataset(*texts(60)), PLAN, SearchBudget(trials=8), seen.append)
    failed = [trial for trial in result.trials if trial.problem]
    assert failed
    assert all(not trial.scores and trial.params["tfidf__min_df"] == 10_000 for trial in failed)
    assert result.best.problem is None
    assert tuple(seen) == result.trials


def test_what_fails_as_it_stands_is_not_hidden() -> None:
    """A recipe that fails without any parameter set raises what it raises when it is fitted."""

    def build(random_state: int) -> Pipeline:
        return CANDIDATES["tfidf-naive-bayes"].build(random_state).set_params(tfidf__min_df=10_000)

    recipe = Candidate("broken", "Broken", "text-classification", build)
    with pytest.raises(ValueError, match="fewer texts than min_df"):
        search([recipe], dataset(*texts(60)), PLAN, SearchBudget(trials=3))


def test_no_new_trial_begins_after_the_seconds() -> None:
    """With no time at all each candidate is still tried once, and nothing else."""
    candidates = select_candidates(NAMES, "text-classification")
    assert len(search(candidates, dataset(*texts(60)), PLAN, SearchBudget(seconds=0)).trials) == 2


def test_a_candidate_without_a_space_is_tried_once() -> None:
    """Where there is nothing to vary a search ends by itself."""
    recipe = Candidate("fixed", "Fixed", "text-classification", CANDIDATES["tfidf-naive-bayes"].build)
    assert len(search([recipe], dataset(*texts(60)), PLAN, SearchBudget(trials=50)).trials) == 1


def test_a_search_without_a_limit_is_refused() -> None:
    """A budget of neither trials nor seconds is an error, not an endless search."""
    with pytest.raises(UsageError, match="never end"):
        search(select_candidates((), "text-classification"), dataset(*texts(60)), PLAN, SearchBudget())


def test_what_the_recipes_ship_with_lies_in_their_spaces() -> None:
    """Every built-in recipe's own setting is a point of its space, from which the search can learn."""
    for candidate in CANDIDATES.values():
        params = candidate.build(0).get_params()
        for name, allowed in candidate.space.items():
            inside = (
                params[name] in allowed.values
                if isinstance(allowed, Choice)
                else allowed.low <= params[name] <= allowed.high
            )
            assert inside, (candidate.name, name)


def test_without_optuna_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Optuna is not installed the error says how to install it."""
    monkeypatch.setitem(sys.modules, "optuna", None)  # as Python notes a module that cannot be imported
    with pytest.raises(MissingExtraError) as error:
        searched()
    assert "tiltyard[search]" in error.value.next_step
