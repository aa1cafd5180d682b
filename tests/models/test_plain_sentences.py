"""The default text candidate on sentences that a newcomer tries first."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from tests.models.corpus import reviews
from tests.models.plain_sentences import NEGATIVE, NEUTRAL, POSITIVE
from tiltyard.models import select_candidates


@pytest.fixture(scope="module")
def predict() -> dict[str, NDArray[np.float64]]:
    """The probability of positive of each sentence, by kind, from the default recipe and the included reviews."""
    (default,) = select_candidates((), "text-classification")
    model = default.build(42).fit(*reviews())
    assert list(model.classes_) == ["negative", "positive"]
    kinds = {"positive": POSITIVE, "negative": NEGATIVE, "neutral": NEUTRAL}
    return {kind: model.predict_proba(pd.Series(sentences))[:, 1] for kind, sentences in kinds.items()}


def test_an_amazing_movie_is_positive(predict: dict[str, NDArray[np.float64]]) -> None:
    """The documents' own sentence, "This movie is amazing!", is positive with a clear margin."""
    assert POSITIVE[0] == "This movie is amazing!"
    assert predict["positive"][0] > 0.65


def test_plain_sentences_get_their_label(predict: dict[str, NDArray[np.float64]]) -> None:
    """At least six of seven plain sentences get their label, and as many of praise as of blame, within four."""
    right = (predict["positive"] > 0.5).sum(), (predict["negative"] < 0.5).sum()
    assert sum(right) >= 6 / 7 * (len(POSITIVE) + len(NEGATIVE))
    assert abs(int(right[0]) - int(right[1])) <= 4


def test_probabilities_of_plain_sentences_are_worth_their_name(predict: dict[str, NDArray[np.float64]]) -> None:
    """The log loss on plain sentences is low, and at most one is wrong by more than four to one."""
    of_truth = np.concatenate([predict["positive"], 1 - predict["negative"]])
    assert -np.log(of_truth).mean() < 0.33
    assert (of_truth < 0.2).sum() <= 1


def test_sentences_without_an_opinion_are_less_sure(predict: dict[str, NDArray[np.float64]]) -> None:
    """Predictions for sentences without an opinion are less sure than those for praise and blame."""
    opinions = np.concatenate([predict["positive"], predict["negative"]])
    assert np.abs(predict["neutral"] - 0.5).mean() < 0.7 * np.abs(opinions - 0.5).mean()
