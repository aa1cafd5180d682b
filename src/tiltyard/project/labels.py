"""``[labels]``: how predictions are chosen to be labelled."""

from __future__ import annotations

from pydantic import Field

from tiltyard.project.base import Portion, Section


class LabelsSection(Section):
    """How predictions are chosen to be labelled."""

    random_share: Portion = Field(
        default=0.25,
        description="Share of a labelling queue that is drawn at random. Only these labels, and those that nobody "
        "requested, say how good a model is; with 0 none of the queue does.",
    )
