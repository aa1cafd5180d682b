"""A linear text model pooled with a convolution: compiled predictions are those of the model itself."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.pipeline import Pipeline

from tests.models.corpus import texts
from tiltyard.errors import InputError
from tiltyard.models import get_candidate
from tiltyard.models.word_cnn import word_convolution
from tiltyard.scoring.explanations import explain
from tiltyard.scoring.factory import compile_scorer
from tiltyard.scoring.input_errors import list_problems
from tiltyard.scoring.table.columns import InputColumns
from tiltyard.scoring.text.compile_text import compile_ensemble_scorer
from tiltyard.scoring.text.ensemble_scorer import EnsembleTextScorer

ODD = ["", "   ", "Judge", "…", "\u0000", "é è ü", "\ud800", "好 电影", "jury " * 3000, "unheard of words"]


@pytest.fixture(scope="module", params=[2, 3])
def fitted(request: pytest.FixtureRequest) -> Pipeline:
    """The recipe, fitted to so many topics."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(word_convolution, "_LEAST_ROWS", 4_000)
        return get_candidate("nb-cnn", "text-classification").build(0).fit(*texts(90, request.param))


def test_scores_are_those_of_the_model(fitted: Pipeline) -> None:
    """Probabilities equal the pipeline's, on odd texts too, and the label is the most probable."""
    given = [*texts(40, seed=1)[0], *ODD]
    scorer = compile_scorer(fitted, "text-classification", InputColumns({}))
    assert isinstance(scorer, EnsembleTextScorer)
    scores = scorer.score([{"text": text} for text in given])
    np.testing.assert_allclose(scores.probabilities, fitted.predict_proba(given), atol=1e-12)
    assert list(scores.labels) == fitted.predict(given).tolist()
    assert scorer.classes == tuple(fitted.classes_)


def test_a_batch_scores_as_its_texts_one_by_one(fitted: Pipeline) -> None:
    """To the bit, whatever else is in the batch."""
    scorer = compile_scorer(fitted, "text-classification", InputColumns({}))
    together = scorer.score([{"text": text} for text in ODD]).probabilities
    alone = [scorer.score([{"text": text}]).probabilities[0] for text in ODD]
    np.testing.assert_array_equal(together, np.vstack(alone))


def test_what_is_no_text_is_refused_by_name(fitted: Pipeline) -> None:
    """An input without a text is named by its position."""
    scorer = compile_scorer(fitted, "text-classification", InputColumns({}))
    with pytest.raises(InputError) as caught:
        scorer.score([{"text": "fine"}, {"words": 3}])
    assert {problem.position for problem in list_problems(caught.value)} == {1}


def test_it_is_explained_by_leaving_words_out(fitted: Pipeline) -> None:
    """There is no exact sum of terms, and the explanation says so."""
    scorer = compile_scorer(fitted, "text-classification", InputColumns({}))
    found = explain(scorer, [{"text": "the court heard the judge and the jury"}])[0]
    assert (found.method, found.exact) == ("occlusion", False)
    assert found.contributions


def test_other_pipelines_are_none_of_its_business() -> None:
    """A vectoriser and a classifier are left to the scorer of linear models."""
    assert compile_ensemble_scorer(get_candidate("nb-logreg", "text-classification").build(0).fit(*texts(60))) is None
