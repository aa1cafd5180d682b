"""A pass of the loop over one model."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from tests.pipeline.remediation.conftest import MODEL, House
from tiltyard.ledger import Event
from tiltyard.notifications import Dispatcher
from tiltyard.pipeline import QuietRunner
from tiltyard.pipeline.loop import Loop
from tiltyard.pipeline.orchestration.runner import LocalFlows
from tiltyard.testing import MemoryLedger


class CountingLedger(MemoryLedger):
    """A ledger that counts how often a model's events are read from their beginning."""

    def __init__(self) -> None:
        super().__init__()
        self.whole_reads = 0

    def events(
        self, *, subject: str | None = None, kind: str | None = None, since: datetime | None = None, after: int = 0
    ) -> Iterator[Event]:
        self.whole_reads += subject == MODEL and not after
        return super().events(subject=subject, kind=kind, since=since, after=after)


@pytest.fixture
def house(tmp_path: Path) -> House:
    """A model whose champion, version 1, always is wrong, on a ledger that counts."""
    made = House(tmp_path, ledger=CountingLedger())
    made.crown(made.register(right=False).version)
    made.label(5)
    return made


def loop_over(house: House) -> Loop:
    responder = house.responder()
    return Loop(
        house.project(),
        responder.workshop.workspace,
        responder,
        Dispatcher(house.ledger.outbox, {}),
        LocalFlows(QuietRunner()),
    )


def test_one_pass_reads_the_history_once(house: House) -> None:
    """Monitoring, the checks of the champion, the response and its alerts share one reading of the model's events."""
    loop = loop_over(house)
    assert isinstance(house.ledger, CountingLedger)
    house.ledger.whole_reads = 0
    loop.once()
    assert house.ledger.whole_reads == 1


def test_a_pass_notices_a_champion_that_was_moved_outside_tiltyard(house: House) -> None:
    """The pass records the change as an event, and goes by the champion that the registry names."""
    house.register(right=True)
    house.registry.set_alias(MODEL, "champion", "2")
    loop_over(house).once()
    assert house.kinds().count("alias-changed-outside") == 1
    history = house.responder().history()
    assert history.champion == "2"
    assert history.aliases.previous_champion == "1"
    loop_over(house).once()
    assert house.kinds().count("alias-changed-outside") == 1
