"""What asks for a person though the model is well."""

from __future__ import annotations

from datetime import timedelta

from tests.pipeline.response.conftest import MODEL, House
from tiltyard.ledger import Event
from tiltyard.pipeline.response.upkeep import RESTARTED, watch_parts
from tiltyard.testing import NOON

HOUR = timedelta(hours=1)


def fallen(kind: str, part: str, minutes: float) -> Event:
    return Event(kind, MODEL, NOON + timedelta(minutes=minutes), "ada", f"The {part} fell.", {"part": part})


def test_programs_that_were_started_again_are_found() -> None:
    """Deaths and hangs of the window are told by program; earlier ones are not, and without any it is clear."""
    events = [
        fallen("part-died", "console", -90),
        fallen("part-died", "loop", -5),
        fallen("worker-hung", "worker 1", -4),
        fallen("worker-hung", "worker 1", -3),
        fallen("part-hung", "server", -2),
        Event("registered", f"{MODEL}/1", NOON, "ada"),
    ]
    finding = watch_parts(events, NOON - HOUR, NOON)
    assert (finding.code, finding.severity, finding.status) == (RESTARTED, "warning", "found")
    assert "loop died, worker 1 hung 2 times, server hung. The latest: The server fell." in finding.message
    assert "console" not in finding.message
    assert finding.next_step
    clear = watch_parts(events, NOON, NOON + HOUR)
    assert (clear.severity, clear.status) == ("info", "clear")


def test_a_program_that_hung_is_an_alert_until_it_was_well_for_long(house: House) -> None:
    """The alert says what fell and that it was started again; it is over when nothing fell for the window."""
    found = watch_parts([fallen("part-hung", "server", -2)], NOON - HOUR, NOON).to_record(project=MODEL, at=NOON)
    (alert,) = house.responder().respond([found]).alerts
    assert alert.title.endswith("A program had to be started again")
    assert "The server fell." in alert.happened[0]
    assert alert.done == "It was started again."
    assert "tiltyard history" in alert.to_do
    clear = watch_parts([], NOON, NOON + HOUR).to_record(project=MODEL, at=NOON + HOUR)
    (over,) = house.responder().respond([clear]).alerts
    assert over.state == "cleared"
