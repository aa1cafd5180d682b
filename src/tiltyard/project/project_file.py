"""A whole project file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from tiltyard.project.alerts import AlertsSection
from tiltyard.project.base import ColumnName, Name, Section, TaskProject
from tiltyard.project.batch import BatchSection
from tiltyard.project.data import ColumnSchema, DataSection, SplitSection, ValidationSection
from tiltyard.project.decision import DecisionSection
from tiltyard.project.labels import LabelsSection
from tiltyard.project.monitoring import MonitoringSection
from tiltyard.project.promotion import PromotionSection
from tiltyard.project.response import ResponseSection
from tiltyard.project.serving import ConsoleSection, ServingSection, StreamSection
from tiltyard.project.training import TrainingSection
from tiltyard.tasks import TASKS, Task, reads_text


class ProjectSection(Section):
    """The name and the task of the problem."""

    name: Name = Field(description="Short name of the problem; also the name of the MLflow experiment.")
    task: Task = Field(description="What is predicted, and from which kind of input.")
    model: Name | None = Field(
        default=None, description="Name of the registered model; default: NAME-classifier, or NAME-regressor."
    )


NO_ROWS = "none"
"""The source of a project without a file: its labelled rows are not known."""


class Project(Section):
    """A whole project file, checked."""

    project: ProjectSection
    data: DataSection
    columns: Mapping[ColumnName, ColumnSchema] = Field(
        default_factory=dict, alias="schema", description="What each column must hold, by column."
    )
    validation: ValidationSection = ValidationSection()
    split: SplitSection = SplitSection()
    training: TrainingSection = TrainingSection()
    decision: DecisionSection = DecisionSection()
    promotion: PromotionSection = PromotionSection()
    serving: ServingSection = ServingSection()
    console: ConsoleSection = ConsoleSection()
    monitoring: MonitoringSection = MonitoringSection()
    labels: LabelsSection = LabelsSection()
    batch: BatchSection = BatchSection()
    stream: Mapping[Name, StreamSection] = Field(
        default_factory=dict, description="Streams of brokers that are predicted, by name."
    )
    response: ResponseSection = ResponseSection()
    alerts: AlertsSection = AlertsSection()
    root: Path = Field(default=Path(), exclude=True, description="Folder of the project file; set on reading.")

    @model_validator(mode="before")
    @classmethod
    def _choose_metric(cls, given: Any) -> Any:
        """The metric that suits the task, where the file names none."""
        if not isinstance(given, Mapping) or not isinstance(given.get("project"), Mapping | ProjectSection):
            return given
        section, training = given["project"], given.get("training", {})
        task = section.task if isinstance(section, ProjectSection) else section.get("task")
        if task not in TASKS or not isinstance(training, Mapping) or "metric" in training:
            return given
        return {**given, "training": {**training, "metric": TASKS[task].metric}}

    @model_validator(mode="after")
    def _fits_task(self) -> Project:
        TaskProject.find_for(self.project.task).check_keys(self)
        if reads_text(self.project.task) and self.data.text is None and self.data.format != "folder":
            raise ValueError('data.text: a text project names the column of its texts (text = "…")')
        if self.data.text is not None and not reads_text(self.project.task):
            raise ValueError(f"data.text: a {self.project.task} project has no text column")
        if self.training.mitigation != "none" and not self.data.sensitive:
            raise ValueError(f'training.mitigation: "{self.training.mitigation}" needs data.sensitive, the groups')
        if self.promotion.fairness and not self.data.sensitive:
            raise ValueError("promotion.fairness: a limit needs data.sensitive, the groups it is about")
        if self.split.group is not None and self.split.group == self.data.label:
            raise ValueError("split.group: the label cannot mark rows that belong together")
        if self.training.metric == "mean_cost" and not self.decision.costs:
            raise ValueError("training.metric: mean_cost needs decision.costs, which say what decisions cost")
        if self.split.by == "time" and self.data.time is None:
            raise ValueError('split.by: "time" needs data.time, the column that says when a row came about')
        return self

    @property
    def has_rows(self) -> bool:
        """Whether it names its labelled rows; one that a registered model implies does not."""
        return self.data.source != NO_ROWS

    @property
    def name(self) -> str:
        """Name of the problem and of its MLflow experiment."""
        return self.project.name

    @property
    def task(self) -> Task:
        """What is predicted, and from which kind of input."""
        return self.project.task

    @property
    def columns_left_out(self) -> tuple[str, ...]:
        """The columns that are features only where ``data.features`` names them."""
        names = (self.data.label, self.data.time, self.split.group, *self.data.ignore)
        return tuple(name for name in names if name is not None)

    @property
    def model_name(self) -> str:
        """Name of the registered model."""
        return self.project.model or f"{self.project.name}-{TASKS[self.task].model_ending}"
