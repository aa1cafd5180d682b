"""A model that hangs on one input."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin

TRIGGER, HOLD = "hang", "hold"
TYPE = f"{__name__}.HangingClassifier"


class HangingClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Predicts at once, unless an input is ``TRIGGER``: then not within any time that a test would wait.

    With ``HOLD`` it holds the interpreter meanwhile, as foreign code may.
    """

    def fit(self, inputs: Sequence[str], labels: Sequence[str]) -> HangingClassifier:
        self.classes_ = np.unique(labels)
        return self

    def predict_proba(self, inputs: Sequence[str]) -> Any:
        if TRIGGER in list(inputs):
            time.sleep(3600)
        if HOLD in list(inputs):
            ctypes.PyDLL(None).sleep(3600)
        return np.full((len(inputs), len(self.classes_)), 1 / len(self.classes_))

    def predict(self, inputs: Sequence[str]) -> Any:
        return self.classes_[self.predict_proba(inputs).argmax(axis=1)]
