"""Figures of a period say of which predictions they are."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tiltyard.ledger import Label
from tiltyard.monitoring.report.rendering import render_html, render_markdown
from tiltyard.monitoring.summary import Summary, SummaryQuery, build_summary
from tiltyard.testing import NOON, MemoryLedger, make_prediction


def summarise(most_rows: int) -> Summary:
    """Fifty predictions of an hour, the oldest thirty of them labelled."""
    ledger = MemoryLedger()
    rows = [make_prediction(at=NOON + timedelta(minutes=number)) for number in range(50)]
    ledger.record(rows)
    ledger.record_labels([Label(row.id, "positive", NOON + timedelta(hours=2), "s") for row in rows[:30]])
    query = SummaryQuery("films", most_rows=most_rows)
    return build_summary(ledger, query, None, since=NOON, until=NOON + timedelta(hours=1))


@pytest.mark.parametrize("most_rows", [10, 35, 100])
def test_labels_are_counted_whatever_number_of_rows_is_read(most_rows: int) -> None:
    """Predictions and labels of a period and of its parts are all of them, however few predictions are read."""
    summary = summarise(most_rows)
    assert (summary.stats.total, summary.labels, summary.label_coverage) == (50, 30, 0.6)
    assert sum(part.stats.total for part in summary.buckets) == 50
    assert sum(part.labels for part in summary.buckets) == 30
    shown = summary.to_dict()
    assert (shown["total_predictions"], shown["labelled_predictions"], shown["label_coverage"]) == (50, 30, 0.6)
    assert shown["predictions_left_out"] == max(0, 50 - most_rows)
    assert "60.0% of the predictions" in render_html(summary)


def test_figures_of_a_part_say_so() -> None:
    """Where older predictions were not read, the report says of how many its figures are; else it does not."""
    words = "are of the newest 35 of 50 predictions, of which 15 have a label that counts"
    part, whole = summarise(35), summarise(100)
    assert words in part.basis
    assert words in render_html(part)
    assert words in render_markdown(part)
    assert whole.basis == ""
    assert "of the newest" not in render_html(whole)
