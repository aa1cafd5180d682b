"""Project files of numbers."""

from __future__ import annotations

from tiltyard.project import Project
from tiltyard.project.base import TaskProject
from tiltyard.project.promotion import NUMBER_FAIRNESS


class NumberProject(TaskProject):
    """The ``TaskProject`` of numbers."""

    def check_keys(self, project: Project) -> None:
        limits = project.promotion
        requested = {
            "data.positive": project.data.positive is not None,
            "training.mitigation": project.training.mitigation != "none",
            "promotion.calibration_error": limits.calibration_error is not None,
            "promotion.calibration": limits.calibration == "not-worse",
            "decision": not project.decision.is_usual,
        }
        for measure in sorted(set(limits.fairness) - set(NUMBER_FAIRNESS)):
            known = ", ".join(NUMBER_FAIRNESS)
            raise ValueError(
                f"promotion.fairness: {measure} is for classes, and {project.task} predicts numbers: {known}"
            )
        for key, is_requested in requested.items():
            if is_requested:
                raise ValueError(f"{key}: is for classes so far, and {project.task} predicts numbers; remove it")


PART = NumberProject()
