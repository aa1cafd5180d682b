"""The ledger with the newest predictions of this host, for commands that show or use them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from tiltyard.cli.output import Terminal, print_line

if TYPE_CHECKING:
    from tiltyard.ledger import SqlLedger
    from tiltyard.settings import Settings


@contextlib.contextmanager
def open_current_ledger(settings: Settings) -> Iterator[SqlLedger]:
    """Open the ledger and ship the spools of this host to it; close it at the end.

    Records that could not be shipped are reported on standard error, since the command does not see them.
    """
    from tiltyard import wiring

    with wiring.open_ledger(settings) as ledger:
        report = wiring.ship_spools(settings, ledger)
        if report.waiting or report.problem:
            print_line(
                "[yellow]![/yellow] {:,} records of this host's servers are not in the ledger yet. {}",
                report.waiting,
                report.problem or "Another process ships them now, or they are labels that wait for their predictions.",
                to=Terminal(stderr=True),
            )
        yield ledger
