"""The check of ``tiltyard doctor`` on labels: those with a time in the future, now or before an upgrade."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tiltyard.cli.host.doctor_decisions import Check
from tiltyard.errors import TiltyardError

if TYPE_CHECKING:
    from tiltyard.project import Project
    from tiltyard.settings import Settings


def check_label_times(project: Project, settings: Settings) -> Iterator[Check]:
    """Say how many labels of the project have, or had, a time in the future."""
    from tiltyard import wiring
    from tiltyard.ledger.label_intake import AHEAD

    ahead = datetime.now(UTC) + AHEAD
    try:
        with wiring.open_ledger(settings) as ledger:
            left = sum(1 for _ in ledger.labels(model_name=project.model_name, since=ahead, superseded=True))
            moved = list(ledger.findings.select(project=project.model_name, code="labels.ahead"))
    except TiltyardError:
        return  # the check of the ledger says what is wrong with it
    for finding in moved:
        yield Check("labels", "note", f"Before {finding.at:%Y-%m-%d}: {finding.message}", finding.next_step)
    if left:
        yield Check(
            "labels",
            "wrong",
            f"{left:,} labels have a time in the future, and count instead of every correction until then.",
            "Erase their predictions, or report the truth with a later time: tiltyard feedback list --all",
        )
