"""Drift from the ledger: past hours are profiled once, and again when they changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tiltyard.drift import find_drift, window_profile
from tiltyard.drift.from_ledger import PredictionSource, profile_predictions
from tiltyard.drift.profiles import Rows, build_reference
from tiltyard.ledger import Label, Prediction
from tiltyard.testing import NOON, MemoryLedger, make_prediction

HOUR = timedelta(hours=1)
FILMS = PredictionSource("films", "1")
RNG = np.random.default_rng(3)


def _rows(count: int) -> pd.DataFrame:
    return pd.DataFrame({"amount": RNG.normal(size=count), "shop": RNG.choice(["a", "b"], count)})


REFERENCE = build_reference(
    Rows(_rows(1000), labels=np.array(["negative", "positive"] * 500)),
    Rows(_rows(500), np.array(["negative", "positive"] * 250), RNG.uniform(0.5, 1, 500)),
)


class ReadingLedger(MemoryLedger):
    """Counts the predictions that were read."""

    read = 0

    def predictions(self, **filters: Any) -> Iterator[Prediction]:
        for found in super().predictions(**filters):
            self.read += 1
            yield found


@pytest.fixture
def ledger() -> ReadingLedger:
    ledger = ReadingLedger()
    # What counts hours in memory reads predictions too; it is not what is meant here.
    ledger.profiles._predictions = super(ReadingLedger, ledger).predictions  # type: ignore[attr-defined]
    return ledger


def make_predictions(hour: int, count: int, minute: int = 0) -> list[Prediction]:
    """Predictions of an hour after noon."""
    frame = _rows(count)
    return [
        make_prediction(
            at=NOON + hour * HOUR + timedelta(minutes=minute, seconds=place * 0.1),
            input=row,
            label=("negative", "positive")[place % 2],
            confidence=float(RNG.uniform(0.5, 1)),
        )
        for place, row in enumerate(frame.to_dict("records"))
    ]


@pytest.mark.requirement("R-MON-14")
def test_a_past_hour_is_profiled_once(ledger: ReadingLedger) -> None:
    """A second run reads only the current hour; both find what profiling everything finds."""
    rows = [make_predictions(hour, 60) for hour in range(4)]
    for some in rows:
        ledger.record(some)
    window = NOON, NOON + 3 * HOUR + timedelta(minutes=30)
    expected = profile_predictions(REFERENCE.layout, [row for some in rows for row in some])
    assert window_profile(ledger, REFERENCE.layout, FILMS, window) == expected
    assert ledger.read == 240
    assert window_profile(ledger, REFERENCE.layout, FILMS, window) == expected
    assert ledger.read == 240 + 60


def test_a_late_row_makes_its_hour_profiled_again(ledger: ReadingLedger) -> None:
    """A row that arrives late in a past hour, or one that is gone, makes that hour, and no other, be profiled again."""
    rows = make_predictions(0, 50) + make_predictions(1, 50)
    ledger.record(rows)
    window = NOON, NOON + 2 * HOUR
    window_profile(ledger, REFERENCE.layout, FILMS, window)
    late = make_predictions(0, 1, minute=59)
    ledger.record(late)
    before = ledger.read
    assert window_profile(ledger, REFERENCE.layout, FILMS, window) == profile_predictions(REFERENCE.layout, rows + late)
    assert ledger.read - before == 51


def test_another_layout_is_profiled_anew(ledger: ReadingLedger) -> None:
    """Profiles kept by another layout are of no use, and are replaced."""
    ledger.record(make_predictions(0, 50))
    window = NOON, NOON + HOUR
    window_profile(ledger, REFERENCE.layout, FILMS, window)
    (kept,) = ledger.profiles.load(model_name="films", version="1", route="champion", since=NOON, until=NOON + HOUR)
    ledger.profiles.store([replace(kept, layout="another", body=b"?")])
    assert window_profile(ledger, REFERENCE.layout, FILMS, window).rows == 50
    assert ledger.read == 100


def test_other_models_versions_and_routes_are_left_out(ledger: ReadingLedger) -> None:
    """Predictions of other models, versions and routes are left out."""
    ledger.record(make_predictions(0, 30))
    some = make_predictions(0, 10)
    ledger.record([replace(row, id=f"p{row.id}", project="other") for row in some])
    ledger.record([replace(row, id=f"v{row.id}", version="other") for row in some])
    ledger.record([replace(row, id=f"r{row.id}", route="other") for row in some])
    assert window_profile(ledger, REFERENCE.layout, FILMS, (NOON, NOON + HOUR)).rows == 30


def test_redacted_inputs_are_left_out(ledger: ReadingLedger) -> None:
    """A prediction whose input was taken out is neither a missing value nor read again and again."""
    rows = make_predictions(0, 30)
    ledger.record(rows)
    window = NOON, NOON + HOUR
    assert window_profile(ledger, REFERENCE.layout, FILMS, window).rows == 30
    ledger.retention.redact([rows[0].id], "asked")
    before = ledger.read
    for _ in range(2):
        seen = window_profile(ledger, REFERENCE.layout, FILMS, window)
        assert (seen.rows, seen.numbers["amount"].missing) == (29, 0)
    assert ledger.read - before == 30


def test_drifted_traffic_is_found_with_its_window(ledger: ReadingLedger) -> None:
    """Undrifted traffic is clear, drifted traffic is found, with the window that was compared; labels count."""
    window = NOON + timedelta(minutes=20), NOON + 2 * HOUR
    same = make_predictions(0, 200) + make_predictions(1, 200)
    ledger.record(same)
    ledger.record_labels([Label(row.id, "positive", NOON + 3 * HOUR, "users") for row in same[:150]])
    content = REFERENCE.to_bytes()
    evaluation = find_drift(ledger, content, FILMS, window)
    assert [found.code for found in evaluation if found.is_found] == ["drift.verdict", "drift.label"]
    assert (evaluation.verdict.since, evaluation.verdict.until) == (NOON, NOON + 2 * HOUR)
    ledger.record([replace(row, id=f"x{row.id}", input={"amount": 3.0, "shop": "c"}) for row in same])
    found = {finding.subject for finding in find_drift(ledger, content, FILMS, window) if finding.is_found}
    assert {"amount", "shop"} <= found


def test_a_version_without_a_profile_has_a_next_step(ledger: ReadingLedger) -> None:
    """A version without a reference profile cannot be compared, and the finding says what to do."""
    (found,) = find_drift(ledger, None, FILMS, (NOON, NOON + HOUR))
    assert (found.code, found.status) == ("drift.verdict", "could_not_judge")
    assert "tiltyard train" in found.next_step


def test_a_profile_of_another_format(ledger: ReadingLedger) -> None:
    """A reference profile that this Tiltyard cannot read is not used, and stops nothing else."""
    (found,) = find_drift(ledger, b'{"format": 99}', FILMS, (NOON, NOON + HOUR))
    assert found.status == "could_not_judge"
    assert "99" in found.message
    assert "tiltyard train" in found.next_step
