"""A linear text model pooled with a convolution over words, scored by compiled kernels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tiltyard.models.word_cnn.compiled_network import CompiledNetwork, pool_decisions
from tiltyard.scoring.text.text_inputs import ScorerOfTexts
from tiltyard.scoring.text.text_scorer import TextScorer


class EnsembleTextScorer(ScorerOfTexts):
    """Scores texts as ``NaiveBayesConvolution`` does, its linear part by ``TextScorer``.

    The convolution is compiled as it is, so that predictions differ from the model's own by no more than those of the
    linear part do. A batch gets the predictions of its texts one by one, to the bit.

    Args:
        linear: the compiled linear part.
        network: the compiled convolution.
        classes: the labels, in the order of the probabilities.

    Attributes:
        linear, network: see above.
    """

    kind = "compiled text pool"

    def __init__(self, linear: TextScorer, network: CompiledNetwork, classes: Sequence[str]) -> None:
        super().__init__(classes)
        self.linear = linear
        self.network = network

    def score_texts(self, texts: Sequence[str]) -> tuple[NDArray[np.float64], list[int]]:
        """Probabilities of n texts, shape (n, classes), and the texts of which the linear part knows no word."""
        probabilities, unknown = self.linear.score_texts(texts)
        return pool_decisions(probabilities, self.network.decide(texts)), unknown
