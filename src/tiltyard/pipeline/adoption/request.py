"""What is requested of an adoption, and what comes out of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from tiltyard.jsonable import to_json_object
from tiltyard.project import Project
from tiltyard.registry import ScorerChoice, VersionInfo
from tiltyard.registry.foreign.estimators import FittedModel
from tiltyard.result_display import ShownResult
from tiltyard.tasks import Task


@dataclass(frozen=True)
class ModelOrigin:
    """Where an adopted model comes from.

    Attributes:
        source: the file or address as it was given; ``Python`` for an object.
        form: how it was stored, such as ``skops`` or ``pickle``; empty for an object.
        digest: SHA-256 of its file, in hexadecimal; empty where there is none.
        notes: what else is known, by name, such as the barriers around the process that opened a pickle.
    """

    source: str
    form: str = ""
    digest: str = ""
    notes: Mapping[str, str] = field(default_factory=dict)

    def to_params(self) -> dict[str, str]:
        """The parameters of the run."""
        known = {"adopted_from": self.source, "adopted_form": self.form, "adopted_sha256": self.digest}
        return {**{name: value for name, value in known.items() if value}, **self.notes}


@dataclass(frozen=True)
class AdoptionRequest:
    """An adoption, before its rows are read.

    Attributes:
        found: the fitted model.
        origin: where it comes from.
        rows: labelled rows, all columns.
        rows_source: what these are, for messages and lineage.
        trained_on: the rows that it was trained on; None where they are not given.
        all_new: whether somebody states that it was trained on none of ``rows``.
        label: the label's column; None: chosen.
        text: the column of texts; None: chosen.
        model_name: the registered model; None: by the project.
    """

    found: FittedModel
    origin: ModelOrigin
    rows: pd.DataFrame
    rows_source: str
    trained_on: pd.DataFrame | None = None
    all_new: bool = False
    label: str | None = None
    text: str | None = None
    model_name: str | None = None


@dataclass(frozen=True, repr=False)
class AdoptedVersion(ShownResult):
    """A version that was made of a model from elsewhere.

    Attributes:
        version: the registered version.
        run_id: the MLflow run.
        project: says how its rows are read, and by which gates it is evaluated.
        task: what it predicts from what.
        metrics: on the rows that it was not trained on; none where these are not known.
        held_out: how many rows these are.
        why_not_compared: why the gates cannot compare it; empty where they can.
        scorer: what predicts for it, and how far that is from the model itself.
        origin: where it comes from.
        findings: what was found in its rows, as dictionaries, the gravest first.
    """

    version: VersionInfo
    run_id: str
    project: Project
    task: Task
    metrics: Mapping[str, float]
    held_out: int
    why_not_compared: str
    scorer: ScorerChoice
    origin: ModelOrigin
    findings: list[dict[str, Any]]

    @property
    def next_step(self) -> str:
        """The command that follows from it."""
        name, version = self.version.name, self.version.version
        if self.why_not_compared:
            return (
                "tiltyard adopt … --trained-on FILE (or --all-new) for a version that the gates can evaluate; or "
                f"tiltyard set-alias --model-name {name} --alias champion --version {version} --reason WHY"
            )
        return f"tiltyard promote {version} --model-name {name}"

    def describe(self) -> tuple[str, Mapping[str, Any]]:
        """A title, and what is shown below it."""
        compared = self.why_not_compared or f"on {self.held_out:,} rows that it was not trained on"
        return f"{self.version.name} version {self.version.version}, adopted from {self.origin.source}", {
            "task": self.task,
            "metrics": dict(self.metrics),
            "evaluated": compared,
            "scorer": self.scorer.name + (f" ({self.scorer.reason})" if self.scorer.reason else ""),
            "next": self.next_step,
            "findings": self.findings,
        }

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form."""
        return {
            "model_name": self.version.name,
            "model_version": self.version.version,
            "run_id": self.run_id,
            "task": self.task,
            "adopted_from": self.origin.to_params(),
            "metrics": dict(self.metrics),
            "held_out_rows": self.held_out,
            "why_not_compared": self.why_not_compared or None,
            "scorer": to_json_object(self.scorer.model_dump()),
            "findings": self.findings,
            "next_step": self.next_step,
        }
