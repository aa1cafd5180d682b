"""Project files of classes."""

from __future__ import annotations

from tiltyard.project import Project
from tiltyard.project.base import TaskProject


class _ClassProject(TaskProject):
    def check_keys(self, project: Project) -> None:
        margin = project.promotion.margin
        if margin >= 1:
            raise ValueError(f"promotion.margin: {margin:g} is not below 1, the most that a metric can lose")


PART = _ClassProject()
