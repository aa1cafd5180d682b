"""Responses with a number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import Field

from tiltyard.serving.predict.protocols.task_part import TaskServing

_INTERVAL = (
    "The ends between which the true number lies with the stated coverage; null for one that is open, and for a "
    "version without intervals."
)


class NumberServing(TaskServing):
    """The ``TaskServing`` of numbers."""

    tensors = ("prediction", "interval", "prediction_id")

    def answer_fields(self, label_field: str) -> dict[str, Any]:
        return {
            label_field: (float, Field(description="The predicted number.")),
            "interval": (tuple[float | None, float | None] | None, Field(description=_INTERVAL)),
        }

    def optional_fields(self) -> dict[str, Any]:
        return {}

    def describe_tensors(self, classes: Sequence[str]) -> list[dict[str, Any]]:
        return [
            {"name": "prediction", "datatype": "FP64", "shape": [-1]},
            {"name": "interval", "datatype": "FP64", "shape": [-1, 2]},
            {"name": "prediction_id", "datatype": "BYTES", "shape": [-1]},
        ]


PART = NumberServing()
