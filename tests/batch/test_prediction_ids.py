"""The ids of a run's predictions follow from the run and the row."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import numpy as np

from tiltyard.batch.prediction_ids import ROW_BITS, PredictionIds, to_arrow, to_text

STARTED = datetime(2026, 3, 4, 5, 6, 7, 890_000, UTC)


def test_an_id_is_a_uuid_of_its_time_its_run_its_fragment_and_its_row() -> None:
    """Version 7 of RFC 9562: the run's begin first, and at the end 40 bits that count fragments and rows."""
    ids = PredictionIds("a" * 32, STARTED)
    rows = np.array([0, 1, 15, 16, 4095, 4096, 70_000, (1 << ROW_BITS) - 1], np.intp)
    for fragment in (0, 1, 4096, 65_535):
        found = [UUID(text) for text in to_text(ids.write(fragment, rows))]
        assert [one.int & ((1 << 40) - 1) for one in found] == [(fragment << ROW_BITS) | row for row in rows.tolist()]
        assert {one.version for one in found} == {7}
        assert {one.int >> 80 for one in found} == {int(STARTED.timestamp() * 1000)}
        assert found == sorted(found)
    other = PredictionIds("b" * 32, STARTED).write(0, rows)
    assert not set(to_text(other)) & set(to_text(ids.write(0, rows)))


def test_ids_do_not_change_between_releases() -> None:
    """A run that an earlier release began continues with the same ids."""
    ids = PredictionIds("0123456789abcdef" * 2, STARTED).write(3, np.array([5, 250_000], np.intp))
    assert to_text(ids) == ["019cb73d-3592-73eb-86f5-0e0003000005", "019cb73d-3592-73eb-86f5-0e000303d090"]
    assert to_arrow(ids).to_pylist() == to_text(ids)
