"""A model that does not come back from some of its calls."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin

ASLEEP = "sleep well"
TYPE = f"{__name__}.Sleeper"


class Sleeper(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Answers at once, unless it is told to sleep: then not within any time that a test would wait."""

    def fit(self, inputs: Sequence[str], labels: Sequence[str]) -> Sleeper:
        self.classes_ = np.unique(labels)
        return self

    def predict_proba(self, inputs: Sequence[str]) -> Any:
        if ASLEEP in list(inputs):
            time.sleep(3600)
        return np.full((len(inputs), len(self.classes_)), 1 / len(self.classes_))

    def predict(self, inputs: Sequence[str]) -> Any:
        return self.classes_[self.predict_proba(inputs).argmax(axis=1)]
