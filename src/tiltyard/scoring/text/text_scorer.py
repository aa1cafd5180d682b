"""Linear text models scored by a compiled kernel: no matrix, no scikit-learn, and the same predictions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiltyard.models.tfidf import compiled_vocabulary
from tiltyard.models.tfidf.alphabet import EncodedTexts, batches
from tiltyard.models.tfidf.compiled_vocabulary import CompiledVocabulary, Weighting
from tiltyard.models.tfidf.matrix import build_rows
from tiltyard.models.tfidf.terms import Terms
from tiltyard.scoring.explanations import Contribution, Explanation
from tiltyard.scoring.linear_head import LinearHead
from tiltyard.scoring.text.text_inputs import ScorerOfTexts, extract_texts


class TextScorer(ScorerOfTexts):
    """Scores texts with TF-IDF and a linear classifier.

    Words are cut, looked up and weighed as the vectoriser does, and each term's weight is added to the decision value
    at once. Probabilities equal scikit-learn's but for the order of the sums (1e-12 where the vectoriser normalises
    its rows). Computed in float64 and row by row: a batch gets the predictions of its texts one by one, to the bit.

    Args:
        vocabulary: the compiled vocabulary.
        terms: its terms; they name columns.
        head: the fitted classifier over its columns.
        classes: the labels, in the order of the probabilities.

    Attributes:
        vocabulary, terms, head: see above.
    """

    kind = "compiled text"

    def __init__(self, vocabulary: CompiledVocabulary, terms: Terms, head: LinearHead, classes: Sequence[str]) -> None:
        super().__init__(classes)
        self.vocabulary = vocabulary
        self.terms = terms
        self.head = head
        self._nothing = float(head.intercept[0])

    def score_texts(self, texts: Sequence[str]) -> tuple[NDArray[np.float64], list[int]]:
        """Probabilities of n texts, shape (n, classes), and the texts of which the vocabulary knows no term."""
        decisions = compiled_vocabulary.decision(texts, self.vocabulary, self.head.weights, self.head.intercept)
        # Without a known term a decision is the intercept, to the bit; with one it hardly ever is.
        firsts = decisions[:, 0].tolist()
        unknown = self._find_unknown(texts, firsts) if self._nothing in firsts else []
        return self.head.probabilities(decisions), unknown

    def _find_unknown(self, texts: Sequence[str], firsts: Sequence[float]) -> list[int]:
        suspects = [position for position, first in enumerate(firsts) if first == self._nothing]
        rows = build_rows(self._encode([texts[position] for position in suspects]), self.vocabulary)
        terms = np.diff(rows.starts)
        return [position for position, count in zip(suspects, terms.tolist(), strict=True) if not count]

    def explain(self, inputs: Sequence[Mapping[str, Any]], label: str | None) -> list[Explanation]:
        """What each term of n texts adds to the log-odds of a label, exactly; see ``explanations.explain``."""
        texts = extract_texts(inputs)
        rows = build_rows(self._encode(texts), self.vocabulary)
        counts = build_rows(self._encode(texts), replace(self.vocabulary, weighting=Weighting(None, norm=None)))
        found = []
        for number, probabilities in enumerate(self.probabilities(texts)):
            position = int(probabilities.argmax()) if label is None else self.classes.index(label)
            cells = slice(rows.starts[number], rows.starts[number + 1])
            columns = rows.columns[cells]
            weights, intercept = self.head.towards(position, columns)
            parts = rows.weights[cells] * weights
            cases = zip(self.terms.strings_of(columns), counts.weights[cells].tolist(), parts.tolist(), strict=True)
            found.append(
                Explanation(
                    label=self.classes[position],
                    probability=float(probabilities[position]),
                    method="linear",
                    scale=self.head.scale,
                    exact=self.head.members == 1,
                    baseline_name="intercept",
                    baseline=intercept,
                    total=intercept + float(parts.sum()),
                    contributions=tuple(Contribution(term, int(count), part) for term, count, part in cases),
                )
            )
        return found

    def _encode(self, texts: Sequence[str]) -> Iterator[EncodedTexts]:
        return batches(texts, self.vocabulary.lowercase)
