"""Counts: whole numbers from 0 on. A target as another package would bring it, which extends that of numbers."""

from __future__ import annotations

from tiltyard.tasks import TargetTraits

TARGET = TargetTraits(
    name="count",
    tasks={"table": "tabular-counting"},
    metric="poisson_deviance",
    model_ending="counter",
    extends="number",
)
