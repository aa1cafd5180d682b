"""The check of ``tiltyard doctor`` on what servers recorded and the ledger could not store in its place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from tiltyard.cli.host.doctor_decisions import Check
from tiltyard.errors import TiltyardError
from tiltyard.formatting import format_count

if TYPE_CHECKING:
    from tiltyard.project import Project
    from tiltyard.settings import Settings

_KEPT = {
    "differs": "with the id of another prediction, which the ledger holds",
    "refused": "that the ledger can never store",
}


def check_arrivals(project: Project, settings: Settings) -> Iterator[Check]:
    """Say how many records were set aside, if there are any."""
    from tiltyard import wiring

    try:
        with wiring.open_ledger(settings) as ledger:
            counts = ledger.arrivals.count(model_name=project.model_name)
    except TiltyardError:
        return  # the check of the ledger says what is wrong with it
    kept = {reason: sum(count.rows for count in counts if count.reason == reason) for reason in _KEPT}
    if any(kept.values()):
        described = "; ".join(
            f"{format_count(rows, 'record')} {_KEPT[reason]}" for reason, rows in kept.items() if rows
        )
        yield Check("set aside", "note", described, "See them: tiltyard predictions set-aside")
