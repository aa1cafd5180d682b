"""What teams write first: FastAPI, the fitted pipeline, and a line of JSON for each prediction."""

from __future__ import annotations

import json
import os
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import joblib
import pandas as pd
from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict

PIPELINE = joblib.load(os.environ["BENCH_MODEL"])
LOG = Path(os.environ["BENCH_LOG"]).open("a", encoding="utf-8")  # noqa: SIM115 - as long as the server runs


class Text(BaseModel):
    """A request about a text."""

    text: str


class Row(BaseModel):
    """A request about a row."""

    features: dict[str, float | str | bool | None]


class Response(BaseModel):
    """A response."""

    model_config = ConfigDict(protected_namespaces=())

    prediction: str
    confidence: float
    model_version: str
    prediction_id: str


app = FastAPI()


def predict(batch: Any, shown: Any) -> Response:
    probabilities = PIPELINE.predict_proba(batch)[0]
    best = int(probabilities.argmax())
    made = Response(
        prediction=str(PIPELINE.classes_[best]),
        confidence=float(probabilities[best]),
        model_version="1",
        prediction_id=str(uuid.uuid4()),
    )
    LOG.write(json.dumps({"at": datetime.now(UTC).isoformat(), "input": shown, **made.model_dump()}) + "\n")
    LOG.flush()
    return made


if os.environ["BENCH_TASK"] == "text":

    @app.post("/predict")
    async def predict_text(request: Text) -> Response:
        return predict([request.text], request.text)

else:

    @app.post("/predict")
    async def predict_row(request: Row) -> Response:
        return predict(pd.DataFrame([request.features]), request.features)
