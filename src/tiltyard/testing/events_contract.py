"""What every chain of decisions must do. Needs pytest and hypothesis; part of ``LedgerContract``."""

# ruff: noqa: S101 - pytest reads assertions
from __future__ import annotations

import math
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import example, given

from tiltyard.errors import InputError
from tiltyard.ledger import Event, Ledger, new_id
from tiltyard.testing.contract_values import any_text, inputs, is_unicode, law
from tiltyard.testing.records import NOON, make_event


class EventContract:
    """The chain of decisions."""

    def test_events_are_chained(self, ledger: Ledger) -> None:
        """Each event gets the next number and its digest; events come back in order, in a whole chain."""
        assert ledger.verify_events() == []
        appended = [ledger.append(make_event()) for _ in range(3)]
        assert [event.sequence for event in appended] == [1, 2, 3]
        assert len({event.digest for event in appended}) == 3
        assert list(ledger.events()) == appended
        assert replace(appended[0], sequence=0, digest="") == make_event()
        assert ledger.verify_events() == []

    def test_the_ledger_assigns_sequence_and_digest(self, ledger: Ledger) -> None:
        """The ledger assigns the sequence and the digest, whatever the caller wrote there."""
        forged = ledger.append(make_event(sequence=99, digest="made up"))
        assert (forged.sequence, len(forged.digest)) == (1, 64)
        assert ledger.verify_events() == []

    def test_events_of_a_model_include_those_of_its_versions(self, ledger: Ledger) -> None:
        """A model's events include those of its versions, and not those of models that begin alike."""
        subjects = ["films", "films/2", "films/10", "films2", "Films/2", "films-old/1"]
        for hours, subject in enumerate(subjects):
            ledger.append(make_event(subject=subject, kind=f"k{hours % 2}", at=NOON + timedelta(hours=hours)))
        assert _subjects(ledger.events(subject="films")) == ["films", "films/2", "films/10"]
        assert _subjects(ledger.events(subject="films/2")) == ["films/2"]
        assert _subjects(ledger.events(subject="films", kind="k1")) == ["films/2"]
        assert _subjects(ledger.events(since=NOON + timedelta(hours=4))) == subjects[4:]
        assert _subjects(ledger.events(subject="films", after=1)) == ["films/2", "films/10"]

    @law
    @given(evidence=inputs, reason=any_text)
    @example(evidence={"p": math.nan, "text": "\0"}, reason="")
    @example(evidence={}, reason="\ud800")
    def test_any_evidence_is_stored_or_refused(self, ledger: Ledger, evidence: dict[str, Any], reason: str) -> None:
        """Any evidence comes back exactly and is covered by the chain; what cannot be stored is refused."""
        event = make_event(subject=new_id(), evidence=evidence, reason=reason)
        if is_unicode(evidence) and is_unicode(reason) and "\0" not in reason:
            appended = ledger.append(event)
            (found,) = ledger.events(subject=event.subject)
            assert repr(found) == repr(appended)
            assert repr(found.evidence) == repr(evidence)
        else:
            with pytest.raises(InputError):
                ledger.append(event)
        assert ledger.verify_events() == []

    def test_threads_append_to_one_chain(self, ledger: Ledger) -> None:
        """Events appended by several threads at once make one chain without gaps."""
        with ThreadPoolExecutor(6) as pool:
            list(pool.map(ledger.append, [make_event(actor=f"thread {n}") for n in range(60)]))
        assert [event.sequence for event in ledger.events()] == list(range(1, 61))
        assert ledger.verify_events() == []


def _subjects(events: Iterable[Event]) -> list[str]:
    return [event.subject for event in events]
