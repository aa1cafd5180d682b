"""One file describes a project: ``tiltyard.toml``, or ``[tool.tiltyard]`` in ``pyproject.toml``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tiltyard.lazy_names import import_when_used

if TYPE_CHECKING:
    from tiltyard.choices import PROJECT_FILE
    from tiltyard.project.alerts import AlertsSection, DestinationKind, DestinationSection
    from tiltyard.project.base import Section
    from tiltyard.project.batch import BatchTable
    from tiltyard.project.data import (
        ColumnSchema,
        ColumnType,
        DataSection,
        SplitSection,
        ValidationSection,
        is_date_order,
    )
    from tiltyard.project.load import find_project_file, find_project_of, load_project, parse_project
    from tiltyard.project.monitoring import MonitoringSection
    from tiltyard.project.project_file import Project, ProjectSection
    from tiltyard.project.promotion import PromotionRule, PromotionSection
    from tiltyard.project.response import OnBadChampion, OnDecay, OnDrift, ResponseSection
    from tiltyard.project.serving import ServingSection
    from tiltyard.project.training import SearchSection, TrainingSection

__all__ = [
    "PROJECT_FILE",
    "AlertsSection",
    "BatchTable",
    "ColumnSchema",
    "ColumnType",
    "DataSection",
    "DestinationKind",
    "DestinationSection",
    "MonitoringSection",
    "OnBadChampion",
    "OnDecay",
    "OnDrift",
    "Project",
    "ProjectSection",
    "PromotionRule",
    "PromotionSection",
    "ResponseSection",
    "SearchSection",
    "Section",
    "ServingSection",
    "SplitSection",
    "TrainingSection",
    "ValidationSection",
    "find_project_file",
    "find_project_of",
    "is_date_order",
    "load_project",
    "parse_project",
]

if not TYPE_CHECKING:  # else every misspelt name would be Any to a type checker
    __getattr__, __dir__ = import_when_used(
        __name__,
        {
            "tiltyard.choices": ("PROJECT_FILE",),
            "alerts": (
                "AlertsSection",
                "DestinationKind",
                "DestinationSection",
            ),
            "base": ("Section",),
            "batch": ("BatchTable",),
            "data": (
                "ColumnSchema",
                "ColumnType",
                "DataSection",
                "SplitSection",
                "ValidationSection",
                "is_date_order",
            ),
            "load": (
                "find_project_file",
                "find_project_of",
                "load_project",
                "parse_project",
            ),
            "monitoring": ("MonitoringSection",),
            "project_file": (
                "Project",
                "ProjectSection",
            ),
            "promotion": (
                "PromotionRule",
                "PromotionSection",
            ),
            "response": (
                "OnBadChampion",
                "OnDecay",
                "OnDrift",
                "ResponseSection",
            ),
            "serving": ("ServingSection",),
            "training": (
                "SearchSection",
                "TrainingSection",
            ),
        },
    )
