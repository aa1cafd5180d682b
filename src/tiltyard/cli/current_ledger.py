"""The ledger as commands need it that show or use the newest predictions: with what servers of this host recorded."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from tiltyard import wiring
from tiltyard.cli.output import Terminal, say
from tiltyard.ledger import SqlLedger
from tiltyard.settings import Settings


@contextlib.contextmanager
def open_current_ledger(settings: Settings) -> Iterator[SqlLedger]:
    """The ledger, after the spools of this host were shipped to it; closed at the end.

    What could not be shipped is reported on standard error, since the command then does not see it.
    """
    with wiring.open_ledger(settings) as ledger:
        report = wiring.ship_spools(settings, ledger)
        if report.waiting or report.problem:
            say(
                "[yellow]![/yellow] {:,} records of this host's servers are not in the ledger yet. {}",
                report.waiting,
                report.problem or "Another process ships them now, or they are labels that wait for their predictions.",
                to=Terminal(stderr=True),
            )
        yield ledger
