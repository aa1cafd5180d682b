"""Numbers: one finite number, with an interval."""

from __future__ import annotations

from tiltyard.tasks import TargetTraits

TARGET = TargetTraits(
    name="number",
    tasks={"text": "text-regression", "table": "tabular-regression"},
    metric="mae",
    model_ending="regressor",
)
