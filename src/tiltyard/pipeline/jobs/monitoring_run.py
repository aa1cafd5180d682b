"""One monitoring pass: look at the champion, and write down what was seen."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tiltyard.monitoring.monitored_version import watch_champion
from tiltyard.monitoring.run import Look, look
from tiltyard.monitoring.summary import Interests, Overview, overview
from tiltyard.project import Project
from tiltyard.promotion.context import Stage


def take_look(project: Project, stage: Stage, *, until: datetime | None = None, record: bool = True) -> Look:
    """Look at a project's champion once.

    Args:
        project: names the model, the window and the limits.
        stage: where the champion and the ledger are.
        until: end of the window, with a time zone; default: now.
        record: whether the findings are written into the ledger.

    Raises:
        ArtifactError: the champion's files are damaged or not trusted.
        UnavailableError: the registry or the ledger cannot be reached.
    """
    watched = watch_champion(stage.registry, project.model_name, stage.cache, stage.trusted_keys)
    seen = look(project, stage.ledger, watched, until=until or datetime.now(UTC))
    if record:
        stage.ledger.findings.record(seen.records())
    return seen


def take_overview(project: Project, stage: Stage, *, hours: float, until: datetime | None = None) -> Overview:
    """Look over the last hours of a project's model: what a report shows.

    Args:
        project: names the model, the metric and the slices.
        stage: where the champion and the ledger are.
        hours: length of the stretch.
        until: its end, with a time zone; default: now.

    Raises:
        ArtifactError: the champion's files are damaged or not trusted.
        UnavailableError: the registry or the ledger cannot be reached.
    """
    watched = watch_champion(stage.registry, project.model_name, stage.cache, stage.trusted_keys)
    end = until or datetime.now(UTC) + timedelta(microseconds=1)
    return overview(stage.ledger, interests_of(project), watched, since=end - timedelta(hours=hours), until=end)


def interests_of(project: Project) -> Interests:
    """What of a project's model is looked at."""
    return Interests(
        model=project.model_name,
        metric=project.training.metric,
        positive=project.data.positive,
        slices=(*project.data.slices, *project.data.sensitive),
        fewest_rows=project.monitoring.min_rows,
    )
