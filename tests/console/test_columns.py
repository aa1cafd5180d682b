"""Columns at training against now, words that came and went, and versions on the same rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.console.running_project import RunningProject, open_running_project
from tests.monitoring.sample_predictions import make_monitored_version
from tiltyard.console.comparison import ComparedMetric, compare_on_rows
from tiltyard.console.data.columns import ColumnBar, ColumnView, columns_view
from tiltyard.console.data.terms import terms_view
from tiltyard.data import load_dataset, split_dataset
from tiltyard.drift.from_ledger import profile_predictions
from tiltyard.drift.profiles import FILE, Reference, build_reference
from tiltyard.errors import DataError
from tiltyard.evaluation.resampling.comparison import MCNEMAR, Comparison
from tiltyard.ledger import HourProfile
from tiltyard.monitoring.monitored_version import MonitoredVersion
from tiltyard.testing import MemoryLedger, make_prediction

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = (NOON - timedelta(days=1), NOON + timedelta(hours=1))


class Profiled(MonitoredVersion):
    """A version that carries a reference."""

    content: bytes | None = None

    def attachment(self, name: str) -> bytes | None:
        return self.content if name == FILE else None


def carry(reference: Reference | bytes | None) -> MonitoredVersion:
    known = make_monitored_version()
    found = Profiled(known.model_name, known.version, known.classes, known.metrics)
    content = reference.to_bytes() if isinstance(reference, Reference) else reference
    object.__setattr__(found, "content", content)
    return found


def keep_hours(ledger: MemoryLedger, reference: Reference, version: MonitoredVersion, rows: list[Any]) -> None:
    """Store the profiles of hours as a monitoring run does."""
    by_hour: dict[datetime, list[Any]] = {}
    for row in rows:
        by_hour.setdefault(row.at.replace(minute=0, second=0, microsecond=0), []).append(row)
    ledger.profiles.store(
        [
            HourProfile(
                version.model_name,
                version.version,
                "champion",
                hour,
                reference.layout.digest,
                len(some),
                max(row.id for row in some),
                profile_predictions(reference.layout, some).to_bytes(),
            )
            for hour, some in by_hour.items()
        ]
    )


@pytest.fixture(scope="module")
def reference() -> Reference:
    rng = np.random.default_rng(0)
    shop = rng.choice(["north", "south"], 2000, p=[0.8, 0.2])
    return build_reference(
        pd.DataFrame({"amount": rng.normal(50, 10, 2000), "rooms": rng.integers(1, 6, 2000), "shop": shop})
    )


@pytest.fixture
def window_rows() -> list[Any]:
    rng = np.random.default_rng(1)
    return [
        make_prediction(
            at=NOON - timedelta(minutes=2 * place),
            project=make_monitored_version().model_name,
            version="1",
            input={
                "amount": float(rng.normal(70, 10)),
                "rooms": int(rng.integers(1, 6)),
                "shop": str(rng.choice(["north", "south", "harbour"], p=[0.3, 0.5, 0.2])),
            },
        )
        for place in range(600)
    ]


def test_every_column_has_its_shares_at_training_and_now(reference: Reference, window_rows: list[Any]) -> None:
    """Shares of a picture sum to one on both sides; a number that moved and a category that is new are seen."""
    ledger, version = MemoryLedger(), carry(reference)
    keep_hours(ledger, reference, version, window_rows)
    view = columns_view(ledger, version, DAY)
    assert {"amount", "rooms", "shop"} <= {one.name for one in view.columns}
    for column in view.columns:
        if column.rows[1] and column.bars:
            assert sum(bar.reference for bar in column.bars) == pytest.approx(1.0, abs=0.02)
            assert sum(bar.now for bar in column.bars) == pytest.approx(1.0, abs=0.02)
    amount, rooms, shop = (view.find(name) for name in ("amount", "rooms", "shop"))
    assert amount is not None
    assert rooms is not None
    assert shop is not None
    assert amount.distance > 0.4 > rooms.distance
    assert [bar.name for bar in rooms.bars] == ["1", "2", "3", "4", "5"]
    assert next(bar for bar in shop.bars if bar.name == "harbour (new)").now == pytest.approx(0.2, abs=0.06)
    (mean,) = amount.series
    assert mean.reference == pytest.approx(50, abs=1)
    assert len(mean.points) == 21
    assert all(value == pytest.approx(70, abs=7) for _, value in mean.points)
    assert view.until == NOON + timedelta(hours=1)
    assert view.to_dict()["columns"][0]["bars"]


def test_profiles_of_another_layout_are_left_out(reference: Reference, window_rows: list[Any]) -> None:
    """Hours that another training laid out, and hours that nobody profiled, count nowhere."""
    ledger, version = MemoryLedger(), carry(reference)
    other = build_reference(pd.DataFrame({"amount": np.arange(100.0), "shop": ["x"] * 100}))
    keep_hours(ledger, other, version, window_rows)
    view = columns_view(ledger, version, DAY)
    assert view.until is None
    assert {column.rows[1] for column in view.columns} == {0}
    assert {column.distance for column in view.columns} == {0.0}


@pytest.mark.parametrize(("content", "reason"), [(None, "carries no profile"), (b"{", "cannot be read")])
def test_without_a_reference_the_page_says_why(content: bytes | None, reason: str) -> None:
    """A version without a profile, or with one that cannot be read, has a reason in place of columns."""
    view = columns_view(MemoryLedger(), carry(content), DAY)
    assert reason in view.reason
    assert view.columns == ()
    assert columns_view(MemoryLedger(), None, DAY).version is None


def test_words_that_came_and_went_are_named() -> None:
    """A word that most texts have now and few had at training came; one of the first texts that is gone went."""
    rng = np.random.default_rng(3)
    common = [f"word{number}" for number in range(40)]

    def write(extra: str, share: float) -> str:
        return " ".join([*rng.choice(common, 12), *([extra] if rng.random() < share else [])])

    texts = pd.Series([write("cinema", 0.6) for _ in range(800)], dtype=object)
    reference = build_reference(texts)
    version, ledger = carry(reference), MemoryLedger()
    model = version.model_name
    old = [
        make_prediction(project=model, version="1", at=NOON - timedelta(days=9), input={"text": write("cinema", 0.6)})
        for _ in range(200)
    ]
    new = [
        make_prediction(
            project=model, version="1", at=NOON - timedelta(minutes=place), input={"text": write("parcel", 0.7)}
        )
        for place in range(300)
    ]
    ledger.record([*old, *new])
    view = terms_view(ledger, version, DAY)
    assert view is not None
    assert (view.came[0].word, view.went[0].word) == ("parcel", "cinema")
    assert view.came[0].now > 0.6 > view.came[0].reference
    assert view.texts == (800, 300)
    assert terms_view(ledger, carry(build_reference(pd.DataFrame({"amount": [1.0, 2.0] * 60}))), DAY) is None


def compare_shares(difference: float, low: float, high: float, p_value: float) -> ComparedMetric:
    found = Comparison("accuracy", MCNEMAR, 100, 0.8, 0.8 + difference, difference, low, high, p_value, p_value, 3, 5)
    return ComparedMetric("accuracy", (), (found,))


def test_chance_is_never_called_better() -> None:
    """A difference is better or worse where neither the interval nor the test leaves it to chance."""
    assert compare_shares(0.1, 0.02, 0.18, 0.01).outcome(1) == "better"
    assert compare_shares(-0.1, -0.18, -0.02, 0.01).outcome(1) == "worse"
    assert compare_shares(0.1, -0.01, 0.2, 0.01).outcome(1) == "alike"
    assert compare_shares(0.1, 0.02, 0.18, 0.06).outcome(1) == "alike"


@pytest.fixture(scope="module")
def rents(tmp_path_factory: pytest.TempPathFactory, fresh_store: Path) -> Iterator[RunningProject]:
    """A running project of numbers."""
    with open_running_project(tmp_path_factory.mktemp("diabetes"), fresh_store, "diabetes", rows=60) as made:
        yield made


def test_versions_are_compared_on_rows_that_none_was_trained_on(rents: RunningProject) -> None:
    """Each metric has a value and an interval for each version on the same rows; the mean is worse than a ridge."""
    assert rents.sources.compare is not None
    found = rents.sources.compare(("1", "2"))
    held = split_dataset(load_dataset(rents.project), rents.project.split).test
    assert (found.rows, found.left_out) == (len(held), 0)
    errors = found.metrics[0]
    assert errors.name == "mae"
    assert errors.outcome(1) == "worse"
    assert all(figure.interval is not None for figure in errors.figures)
    assert rents.sources.compare(("1", "2")) is found
    assert found.to_dict()["metrics"][0]["differences"][0]["outcome"] == "worse"


def test_versions_without_common_rows_are_not_compared(rents: RunningProject) -> None:
    """Where each row taught one of the versions, the error says so."""
    training = split_dataset(load_dataset(rents.project), rents.project.split).train
    infos = [rents.workspace.registry.get_version(rents.project.model_name, version=one) for one in ("1", "2")]
    with pytest.raises(DataError, match="is new to all of these versions"):
        compare_on_rows(rents.workspace, rents.project, infos, training)


def test_a_columns_picture_is_the_one_of_its_name() -> None:
    """A column is found by its name, and another subject has a title for people."""
    one = ColumnView("@confidence", (ColumnBar("a", 1.0, 0.0),), (0.0, 0.0), (10, 10))
    assert one.title == "Confidence of the predictions"
    assert one.distance == 0.5
    assert replace(one, rows=(10, 0)).distance == 0.0
