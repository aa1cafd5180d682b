"""A linear text model pooled with a convolution over words, answered by compiled kernels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sklearn.pipeline import Pipeline

from tiltyard.models.pooling import NaiveBayesConvolution
from tiltyard.scoring.scorer import Scores
from tiltyard.scoring.text_scorer import text_scorer
from tiltyard.scoring.texts import texts_of


class PooledTextScorer:
    """Answers texts as ``NaiveBayesConvolution`` does, its linear part by ``TextScorer``.

    The convolution is compiled as it is, so that answers differ from the model's own by no more than those of the
    linear part do. A batch answers as its texts one by one, to the bit.

    Args:
        pool: the fitted model.

    Raises:
        NoExactScorer: its linear part has no compiled form.
    """

    kind = "compiled text pool"

    def __init__(self, pool: NaiveBayesConvolution) -> None:
        self._pool = pool
        self._linear = text_scorer(pool.linear_)
        self._classes = tuple(str(label) for label in pool.classes_)

    @property
    def classes(self) -> tuple[str, ...]:
        """The labels, in the order of the probability columns."""
        return self._classes

    def score(self, inputs: Sequence[Mapping[str, Any]]) -> Scores:
        """Answer n inputs, each ``{"text": …}``.

        Raises:
            InputError: inputs cannot be scored; its ``problems`` name every position and field.
        """
        return self.score_texts(texts_of(inputs))

    def score_texts(self, texts: Sequence[str]) -> Scores:
        """Answer n texts that are known to be strings: ``score`` without its check, for callers that have checked."""
        probabilities = self._pool.pooled(self._linear.score_texts(texts).probabilities, texts)
        labels = self._classes
        return Scores([labels[place] for place in probabilities.argmax(axis=1).tolist()], probabilities)


def pooled_scorer(pipeline: Pipeline) -> PooledTextScorer | None:
    """The compiled scorer of a fitted pipeline that is a pool and nothing else; None for any other.

    Raises:
        NoExactScorer: the pool's linear part has no compiled form.
    """
    steps = [step for _, step in pipeline.steps if step is not None and step != "passthrough"]
    return PooledTextScorer(steps[0]) if len(steps) == 1 and type(steps[0]) is NaiveBayesConvolution else None
