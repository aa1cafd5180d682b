"""BentoML with adaptive batching."""

from __future__ import annotations

import os
from typing import Any

import bentoml  # type: ignore[import-not-found]
import joblib
import pandas as pd

TEXT = os.environ["BENCH_TASK"] == "text"


@bentoml.service(workers=1, traffic={"timeout": 30})
class Model:
    """The fitted pipeline behind a batched call."""

    def __init__(self) -> None:
        self.pipeline = joblib.load(os.environ["BENCH_MODEL"])
        self.classes = [str(label) for label in self.pipeline.classes_]

    @bentoml.api(batchable=True, max_batch_size=64)  # type: ignore[untyped-decorator]
    def predict(self, inputs: list[Any]) -> list[dict[str, Any]]:
        """The labels of a batch with their probabilities."""
        batch = inputs if TEXT else pd.DataFrame(inputs)
        probabilities = self.pipeline.predict_proba(batch)
        best = probabilities.argmax(axis=1)
        return [
            {"prediction": self.classes[place], "confidence": float(row[place])}
            for place, row in zip(best, probabilities, strict=True)
        ]
