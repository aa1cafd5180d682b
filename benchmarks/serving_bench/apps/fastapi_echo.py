"""FastAPI with pydantic models in and out, and no model behind them."""

from __future__ import annotations

import os

from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict


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
FIXED = {"confidence": 0.5, "model_version": "1", "prediction_id": "0198f0c2-0000-7000-8000-000000000000"}

if os.environ["BENCH_TASK"] == "text":

    @app.post("/predict")
    async def predict_text(request: Text) -> Response:
        return Response(prediction=request.text[:8], **FIXED)

else:

    @app.post("/predict")
    async def predict_row(request: Row) -> Response:
        return Response(prediction=str(len(request.features)), **FIXED)
