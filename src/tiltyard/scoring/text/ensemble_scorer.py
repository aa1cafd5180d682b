"""A linear text model pooled with a convolution over words, scored by compiled kernels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from tiltyard.models.ensemble import NaiveBayesConvolution
from tiltyard.scoring.text.text_inputs import ScorerOfTexts
from tiltyard.scoring.text.text_scorer import compile_text_scorer


class EnsembleTextScorer(ScorerOfTexts):
    """Scores texts as ``NaiveBayesConvolution`` does, its linear part by ``TextScorer``.

    The convolution is compiled as it is, so that predictions differ from the model's own by no more than those of the
    linear part do. A batch gets the predictions of its texts one by one, to the bit.

    Args:
        pool: the fitted model.

    Raises:
        NotCompilableError: its linear part has no compiled form.
    """

    kind = "compiled text pool"

    def __init__(self, pool: NaiveBayesConvolution) -> None:
        super().__init__([str(label) for label in pool.classes_])
        self._pool = pool
        self._linear = compile_text_scorer(pool.linear_)

    def score_texts(self, texts: Sequence[str]) -> tuple[NDArray[np.float64], list[int]]:
        """Probabilities of n texts, shape (n, classes), and the texts of which the linear part knows no word."""
        probabilities, unknown = self._linear.score_texts(texts)
        return self._pool.pool_probabilities(probabilities, texts), unknown


def compile_ensemble_scorer(pipeline: Pipeline) -> EnsembleTextScorer | None:
    """The compiled scorer of a fitted pipeline that is a pool and nothing else; None for any other.

    Raises:
        NotCompilableError: the pool's linear part has no compiled form.
    """
    steps = [step for _, step in pipeline.steps if step is not None and step != "passthrough"]
    return EnsembleTextScorer(steps[0]) if len(steps) == 1 and type(steps[0]) is NaiveBayesConvolution else None
