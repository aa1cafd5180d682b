"""What else knows of the chain of decisions, so that one that was cut off or written anew shows.

A chain of hashes shows what was changed inside it. Anyone who may write to the ledger can also cut its end off, or
compute it anew, and nothing inside tells. So each decision leaves its number and digest with the version in the
registry, in a tag, and ``tiltyard history --verify`` tells the end, to be kept anywhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from tiltyard.errors import TiltyardError, UsageError
from tiltyard.ledger import Event, Ledger
from tiltyard.registry.ports import Registry, VersionInfo

DECISION_TAG = "tiltyard.decision"
_NOTE = re.compile(r"([1-9][0-9]{0,17}):([0-9a-f]{64})(?::([0-9a-f]{64}))?")


@dataclass(frozen=True)
class ChainAnchor:
    """What is known elsewhere of an event of the chain.

    Attributes:
        sequence: the event's number.
        digest: its digest.
        origin: digest of the first event about the model, which distinguishes its record from another ledger's; None
            where the note is held against this ledger whatever it is.
    """

    sequence: int
    digest: str
    origin: str | None = None


@dataclass(frozen=True)
class ChainCheck:
    """How the chain of decisions stands.

    Attributes:
        broken: a sentence for each thing that is wrong.
        events: number of events.
        noted: notes elsewhere that agree.
        foreign: notes in the registry that are of another record of the model.
        end: number and digest of the last event, ``41:9f2c…``; empty without events, or where the chain is broken.
    """

    broken: tuple[str, ...]
    events: int = 0
    noted: int = 0
    foreign: int = 0
    end: str = ""


def write_anchor(registry: Registry, ledger: Ledger, name: str, version: str, decision: Event) -> None:
    """Leave a decision's number and digest with its version; where registry or ledger are away, there is none."""
    with suppress(TiltyardError):
        note = f"{decision.sequence}:{decision.digest}:{_origin(ledger, name)}"
        registry.set_tag(name, version, DECISION_TAG, note)


def read_anchors(versions: Iterable[VersionInfo]) -> list[ChainAnchor]:
    """The notes that decisions left with their versions."""
    found = (_NOTE.fullmatch(info.tags.get(DECISION_TAG, "")) for info in versions)
    return [ChainAnchor(int(one[1]), one[2], one[3]) for one in found if one is not None and one[3]]


def parse_anchor(option: str, text: str) -> ChainAnchor:
    """The note that a person kept.

    Raises:
        UsageError: it is none.
    """
    found = _NOTE.fullmatch(text.strip())
    if found is None:
        raise UsageError(
            f"{option} {text!r} is not an anchor of the chain.",
            next_step="Give the end that tiltyard history --verify printed: NUMBER:DIGEST, with 64 digits and letters.",
        )
    return ChainAnchor(int(found[1]), found[2])


def check_chain(ledger: Ledger, name: str, notes: Sequence[ChainAnchor]) -> ChainCheck:
    """Verify the chain, and hold it against what is known of it elsewhere.

    Notes of another record of the model are left out, since a ledger may have been begun anew; but where all of the
    registry's are, that is reported as broken.

    Args:
        ledger: the ledger.
        name: the model whose versions carry the notes.
        notes: the notes.

    Raises:
        UnavailableError: the ledger is away.
    """
    inside = ledger.verify_events()
    if inside:
        return ChainCheck(tuple(inside))
    events = {event.sequence: event for event in ledger.events()}
    mine = _first(events.values(), name)
    meant = [note for note in notes if note.origin in (None, mine)]
    foreign = len(notes) - len(meant)
    broken = [problem for note in meant if (problem := _compare_with_event(events, note))]
    if foreign and foreign == sum(note.origin is not None for note in notes):
        broken.append(
            f"None of the {foreign} decisions that the registry knows of is of this record of {name}: it was written "
            "anew, or this is another ledger than the one they were taken in."
        )
    last = max(events, default=0)
    end = f"{last}:{events[last].digest}" if last and not broken else ""
    return ChainCheck(tuple(broken), len(events), 0 if broken else len(meant), foreign, end)


def _compare_with_event(events: dict[int, Event], note: ChainAnchor) -> str:
    event = events.get(note.sequence)
    if event is None:
        return f"Event {note.sequence} was noted elsewhere and is missing: the end of the chain was cut off."
    if event.digest != note.digest:
        return (
            f"Event {note.sequence} ({event.kind}, {event.subject}) is not the one that was noted elsewhere: "
            "the chain was written anew from there or before."
        )
    return ""


def _origin(ledger: Ledger, name: str) -> str:
    return _first(ledger.events(subject=name), name) or ""


def _first(events: Iterable[Event], name: str) -> str | None:
    return next(
        (event.digest for event in events if event.subject == name or event.subject.startswith(f"{name}/")), None
    )
