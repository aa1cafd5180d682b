"""A runtime for MLServer: the fitted pipeline behind its adaptive batching."""

from __future__ import annotations

import os

import joblib
import numpy as np
from mlserver import MLModel  # type: ignore[import-not-found]
from mlserver.codecs import NumpyCodec, PandasCodec, StringCodec  # type: ignore[import-not-found]
from mlserver.types import InferenceRequest, InferenceResponse  # type: ignore[import-not-found]

TEXT = os.environ["BENCH_TASK"] == "text"


class Model(MLModel):  # type: ignore[misc]
    """The fitted pipeline."""

    async def load(self) -> bool:
        """Read it."""
        self.pipeline = joblib.load(os.environ["BENCH_MODEL"])
        self.classes = np.array([str(label) for label in self.pipeline.classes_])
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """The labels of a batch with their probabilities."""
        batch = StringCodec.decode_input(payload.inputs[0]) if TEXT else PandasCodec.decode_request(payload)
        probabilities = self.pipeline.predict_proba(batch)
        best = probabilities.argmax(axis=1)
        confidence = probabilities[np.arange(len(best)), best]
        outputs = [
            StringCodec.encode_output("prediction", self.classes[best].tolist()),
            NumpyCodec.encode_output("confidence", confidence.reshape(-1, 1)),
        ]
        return InferenceResponse(model_name=self.name, outputs=outputs)
