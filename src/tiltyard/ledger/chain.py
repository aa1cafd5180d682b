"""The chain that makes a changed or missing decision show: each event's digest covers its predecessor's."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

_COVERED = ("sequence", "kind", "subject", "at_us", "actor", "reason", "evidence")


def link(previous: str, row: Mapping[str, Any]) -> str:
    """SHA-256, in hex, over the predecessor's digest and the event as it is stored.

    Args:
        previous: digest of the event before; empty for the first.
        row: the event's columns by name, the sequence included.
    """
    return hashlib.sha256(msgspec.json.encode([previous, *(row[name] for name in _COVERED)])).hexdigest()


def broken_links(rows: Iterable[Mapping[str, Any]], last_sequence: int, last_digest: str) -> list[str]:
    """A sentence for each place where the chain does not hold; empty when it is whole.

    Args:
        rows: all events as they are stored, by sequence.
        last_sequence: sequence of the last event, as it was noted apart from the events; 0 when none.
        last_digest: digest of the last event, noted likewise.
    """
    problems: list[str] = []
    previous, expected = "", 1
    for row in rows:
        sequence = row["sequence"]
        if sequence > last_sequence:
            problems.append(f"Event {sequence} was inserted: the chain ends at {last_sequence}.")
            continue
        if sequence != expected:
            problems.append(_describe_missing(expected, sequence - 1))
        elif link(previous, row) != row["digest"]:
            problems.append(f"Event {sequence} ({row['kind']}, {row['subject']}) was changed.")
        previous, expected = row["digest"], sequence + 1
    if expected <= last_sequence:
        problems.append(_describe_missing(expected, last_sequence))
    elif previous != last_digest and not problems:
        problems.append(f"The end of the chain was changed: event {last_sequence} is not the one noted.")
    return problems


def _describe_missing(first: int, last: int) -> str:
    return f"Event {first} is missing." if first == last else f"Events {first} to {last} are missing."
