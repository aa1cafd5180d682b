"""Classes: one of several labels, binary or multiclass."""

from __future__ import annotations

from tiltyard.tasks import TargetTraits

TARGET = TargetTraits(
    name="class",
    tasks={"text": "text-classification", "table": "tabular-classification"},
    metric="accuracy",
    model_ending="classifier",
)
