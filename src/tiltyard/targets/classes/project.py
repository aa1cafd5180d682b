"""Project files of classes."""

from __future__ import annotations

from tiltyard.project import Project
from tiltyard.project.base import TaskProject
from tiltyard.project.promotion import NUMBER_FAIRNESS


class ClassProject(TaskProject):
    """The ``TaskProject`` of classes."""

    def check_keys(self, project: Project) -> None:
        for measure in sorted(set(project.promotion.fairness) & set(NUMBER_FAIRNESS)):
            raise ValueError(f"promotion.fairness: {measure} is for numbers, and {project.task} predicts classes")
        margin = project.promotion.margin
        if margin >= 1:
            raise ValueError(f"promotion.margin: {margin:g} is not below 1, the most that a metric can lose")


PART = ClassProject()
