"""Responses with a class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import Field

from tiltyard.serving.predict.protocols.task_part import TaskServing

_SET = "The labels of the prediction set, the likeliest first; there where the request has a confidence_level."
_ABSTAINED = "true where the model leaves the decision to a person, by the project's [decision]; else absent."


class ClassServing(TaskServing):
    """The ``TaskServing`` of classes."""

    tensors = ("label", "probabilities", "prediction_id")

    def answer_fields(self, label_field: str) -> dict[str, Any]:
        return {
            label_field: (str, Field(description="The predicted label.")),
            "confidence": (float, Field(ge=0, le=1, description="Probability of the predicted label.")),
            "probabilities": (dict[str, float], Field(description="Probability of each label; they sum to 1.")),
            "prediction_set": (list[str], Field(default=[], description=_SET)),
        }

    def optional_fields(self) -> dict[str, Any]:
        return {"abstained": (bool, Field(default=False, description=_ABSTAINED))}

    def describe_tensors(self, classes: Sequence[str]) -> list[dict[str, Any]]:
        return [
            {"name": "label", "datatype": "BYTES", "shape": [-1]},
            {
                "name": "probabilities",
                "datatype": "FP64",
                "shape": [-1, len(classes)],
                "parameters": {"classes": list(classes)},
            },
            {"name": "prediction_id", "datatype": "BYTES", "shape": [-1]},
        ]


PART = ClassServing()
