"""From fitted pipelines of texts to their compiled scorers."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import Pipeline

from tiltyard.models.ensemble import NaiveBayesConvolution
from tiltyard.models.tfidf.vectoriser import FastTfidfVectorizer, UnsupportedSettingError
from tiltyard.scoring.linear_head import build_linear_head
from tiltyard.scoring.scorer import NotCompilableError
from tiltyard.scoring.text.ensemble_scorer import EnsembleTextScorer
from tiltyard.scoring.text.text_scorer import TextScorer


def compile_ensemble_scorer(pipeline: Pipeline) -> EnsembleTextScorer | None:
    """The compiled scorer of a fitted pipeline that is a pool and nothing else; None for any other.

    Raises:
        NotCompilableError: the pool's linear part has no compiled form.
    """
    steps = [step for _, step in pipeline.steps if step is not None and step != "passthrough"]
    if len(steps) != 1 or type(steps[0]) is not NaiveBayesConvolution:
        return None
    pool = steps[0]
    linear = compile_text_scorer(pool.linear_)
    return EnsembleTextScorer(linear, pool.network_.compile(), [str(label) for label in pool.classes_])


def compile_text_scorer(pipeline: Pipeline) -> TextScorer:
    """The compiled scorer of a fitted pipeline of a TF-IDF vectoriser and a linear classifier.

    Raises:
        NotCompilableError: there is none, with the reason.
    """
    steps = [step for _, step in pipeline.steps if step is not None and step != "passthrough"]
    if len(steps) != 2:
        raise NotCompilableError("its pipeline is not a vectoriser and a classifier")
    vectoriser, classifier = steps
    head = build_linear_head(classifier)
    ours = _is_fast_tfidf(vectoriser)
    if ours.compile().width != len(head.weights):
        raise NotCompilableError("its classifier was fitted on other columns than its vectoriser gives")
    return TextScorer(ours.compile(), ours.terms, head, [str(label) for label in classifier.classes_])


def _is_fast_tfidf(vectoriser: Any) -> FastTfidfVectorizer:
    try:
        fast = vectoriser if type(vectoriser) is FastTfidfVectorizer else None
        if type(vectoriser) is TfidfVectorizer:
            fast = FastTfidfVectorizer.from_sklearn(vectoriser)
    except (UnsupportedSettingError, NotFittedError) as error:
        raise NotCompilableError(f"its vectoriser has a setting without a compiled form: {error}") from None
    if fast is None:
        raise NotCompilableError(f"there is no compiled form of a {type(vectoriser).__name__}")
    if np.dtype(fast.dtype) != np.float64:
        raise NotCompilableError("its vectoriser computes in float32")
    return fast
