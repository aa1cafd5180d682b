"""One monitoring pass: look at the champion, and write down what was seen."""

from __future__ import annotations

from datetime import UTC, datetime

from tiltyard.monitoring.look import Look, look
from tiltyard.monitoring.watched import watch_champion
from tiltyard.pipeline.stage import Stage
from tiltyard.project import Project


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
