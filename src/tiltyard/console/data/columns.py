"""Every column of a version's inputs as its training saw it, and as it is now; from kept profiles, not from rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tiltyard.console.data.period import find_step, floor_moment
from tiltyard.drift import VERDICT
from tiltyard.drift.profiles import FILE, Layout, Profile, Reference
from tiltyard.drift.profiles.categories import CategoryCounts, CategoryLayout
from tiltyard.drift.profiles.numbers import NumberCounts, NumberLayout
from tiltyard.drift.profiles.schema import CONFIDENCE, LABEL, PREDICTION, RESIDUAL, SPREAD
from tiltyard.errors import ArtifactError
from tiltyard.formatting import format_number
from tiltyard.ledger import FindingRecord, Ledger
from tiltyard.monitoring.monitored_version import MonitoredVersion

HOUR = timedelta(hours=1)
COARSE = 24
"""Bars of a number's histogram; a number of at most so many different values has one bar for each."""

MOST_BARS = 12
MOST_SERIES = 3
MOST_POINTS = 48

TITLES: Mapping[str, str] = {
    CONFIDENCE: "Confidence of the predictions",
    PREDICTION: "Predictions",
    LABEL: "Labels",
    RESIDUAL: "How the numbers of a row go together",
}
"""Names of subjects other than columns of the input."""

Reading = Literal["drift", "difference", "alike", "chance", "untested"]


@dataclass(frozen=True)
class ColumnBar:
    """A value, or a range of values: its share of the rows of training, and of those of the period.

    ``tick`` is its name below a picture, where that is shorter.
    """

    name: str
    reference: float
    now: float
    tick: str = ""


@dataclass(frozen=True)
class ColumnSeries:
    """A figure of a column over time.

    Attributes:
        name: what it is: the mean, or the share of a category.
        points: begin of each part of the period with rows, and the figure there.
        reference: the figure at training.
    """

    name: str
    points: tuple[tuple[datetime, float], ...]
    reference: float


@dataclass(frozen=True)
class ColumnView:
    """A column at training and in a period.

    Attributes:
        name: its name; of a subject other than a column it begins with ``@``.
        bars: shares of the rows that have a value.
        missing: share of the rows without a value, at training and now.
        rows: rows at training and now.
        series: its figures over time.
        reading: what the latest monitoring run says: ``drift``; ``difference``, less than the limit; ``alike``, no more
            than groups or periods of training differ; ``chance``; ``untested``.
        message: the finding's sentence where it drifted.
    """

    name: str
    bars: tuple[ColumnBar, ...]
    missing: tuple[float, float]
    rows: tuple[int, int]
    series: tuple[ColumnSeries, ...] = ()
    reading: Reading = "untested"
    message: str = ""

    @property
    def title(self) -> str:
        """The name for people."""
        return TITLES.get(self.name, self.name)

    @property
    def distance(self) -> float:
        """How far the two are apart: half the sum of the differences of their bars, 0 to 1."""
        return sum(abs(bar.now - bar.reference) for bar in self.bars) / 2 if self.rows[1] else 0.0

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form."""
        return {
            "name": self.name,
            "title": self.title,
            "reading": self.reading,
            "message": self.message,
            "distance": self.distance,
            "rows": {"reference": self.rows[0], "now": self.rows[1]},
            "missing": {"reference": self.missing[0], "now": self.missing[1]},
            "bars": [{"name": bar.name, "reference": bar.reference, "now": bar.now} for bar in self.bars],
            "series": [
                {
                    "name": one.name,
                    "reference": one.reference,
                    "points": [{"at": at.isoformat(), "value": value} for at, value in one.points],
                }
                for one in self.series
            ],
        }


@dataclass(frozen=True)
class ColumnsView:
    """All columns of a version.

    Attributes:
        version: the version; None without one.
        since: begin of the period.
        until: end of the last hour that the monitoring has profiled; None where it has profiled none.
        columns: those that drifted first, then by distance.
        verdict: the latest verdict over all columns; None where there is none.
        reason: why there are no columns; empty where there are.
    """

    version: str | None
    since: datetime
    until: datetime | None = None
    columns: tuple[ColumnView, ...] = ()
    verdict: FindingRecord | None = None
    reason: str = ""

    def find(self, name: str) -> ColumnView | None:
        """The column of that name."""
        return next((column for column in self.columns if column.name == name), None)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form."""
        return {
            "version": self.version,
            "since": self.since.isoformat(),
            "until": self.until.isoformat() if self.until else None,
            "reason": self.reason,
            "verdict": self.verdict.message if self.verdict else None,
            "columns": [column.to_dict() for column in self.columns],
        }


@dataclass(frozen=True)
class _Window:
    """The profiles of a period: of all of it, and of its parts by begin."""

    whole: Profile
    parts: Mapping[datetime, Profile] = field(default_factory=dict)
    until: datetime | None = None


def columns_view(ledger: Ledger, monitored: MonitoredVersion | None, window: tuple[datetime, datetime]) -> ColumnsView:
    """Every column of a version at training and in a period, from the profiles that monitoring runs keep of each hour.

    Raises:
        UnavailableError: the ledger cannot be reached.
    """
    since, until = floor_moment(window[0], HOUR), window[1]
    if monitored is None:
        return ColumnsView(None, since, reason="There is no champion whose columns could be compared.")
    content = monitored.attachment(FILE)
    if content is None:
        reason = f"Version {monitored.version} carries no profile of its training: train a version with this Tiltyard."
        return ColumnsView(monitored.version, since, reason=reason)
    try:
        reference = Reference.from_bytes(content)
    except ArtifactError as error:
        return ColumnsView(monitored.version, since, reason=error.message)
    found = _read_profiles(ledger, monitored, reference.layout, (since, until))
    verdicts = ledger.findings.latest(project=monitored.model_name, code=VERDICT, version=monitored.version)
    verdict = verdicts[0] if verdicts else None
    readings = _read_tests(verdict)
    names = [name for name in (*reference.layout.numbers, *reference.layout.categories) if name != SPREAD]
    columns = [_view_column(name, reference, found, readings) for name in names]
    order = {"drift": 0, "alike": 1, "difference": 1}
    columns.sort(key=lambda one: (order.get(one.reading, 2), -one.distance))
    return ColumnsView(monitored.version, since, found.until, tuple(columns), verdict)


def _read_profiles(
    ledger: Ledger, monitored: MonitoredVersion, layout: Layout, window: tuple[datetime, datetime]
) -> _Window:
    since, until = window
    step = max(HOUR, find_step(until - since, MOST_POINTS))
    kept = ledger.profiles.load(
        model_name=monitored.model_name, version=monitored.version, route="champion", since=since, until=until
    )
    parts: dict[datetime, Profile] = {}
    last = None
    for hour in kept:
        if hour.layout != layout.digest:
            continue
        begin, profile = floor_moment(hour.hour, step), Profile.from_bytes(hour.body)
        parts[begin] = parts[begin] + profile if begin in parts else profile
        last = hour.hour + HOUR
    whole = Profile.empty(layout)
    for part in parts.values():
        whole = whole + part
    return _Window(whole, parts, last)


def _read_tests(verdict: FindingRecord | None) -> dict[str, tuple[Reading, str]]:
    """What the latest run's tests say of each subject, the gravest word of each; and the sentence of the verdict."""
    tests = verdict.evidence.get("tests") if verdict is not None else None
    weight: list[Reading] = ["untested", "chance", "difference", "alike", "drift"]
    found: dict[str, tuple[Reading, str]] = {}
    for test in tests if isinstance(tests, Sequence) else ():
        reading = test.get("reading") if isinstance(test, Mapping) else None
        if reading not in weight:
            continue
        subject = str(test.get("subject"))
        if weight.index(reading) >= weight.index(found.get(subject, ("untested", ""))[0]):
            effect, limit = test.get("effect"), test.get("limit")
            words = f"{test.get('method', '')} {effect:.3g}, limit {limit:.3g}" if effect is not None and limit else ""
            found[subject] = (reading, words)
    return found


def _view_column(
    name: str, reference: Reference, found: _Window, readings: Mapping[str, tuple[Reading, str]]
) -> ColumnView:
    # The tests name a subject without the sign that tells it from a column.
    reading, message = readings.get(name) or readings.get(name.removeprefix("@")) or ("untested", "")
    if name in reference.layout.numbers:
        layout, then, now = reference.layout.numbers[name], reference.profile.numbers[name], found.whole.numbers[name]
        bars = _number_bars(layout, then, now)
        missing = tuple(_share(part.missing + part.invalid, part.rows) for part in (then, now))
        rows = then.rows, now.rows
        series = _number_series(name, layout, then, found.parts)
    else:
        kinds, before = reference.layout.categories[name], reference.profile.categories[name]
        after = found.whole.categories[name]
        bars = _category_bars(kinds, before, after)
        missing = tuple(_share(part.missing, part.present + part.missing) for part in (before, after))
        rows = before.present + before.missing, after.present + after.missing
        series = _category_series(name, kinds, bars, found.parts)
    return ColumnView(name, bars, (missing[0], missing[1]), rows, series, reading, message)


def _number_bars(layout: NumberLayout, then: NumberCounts, now: NumberCounts) -> tuple[ColumnBar, ...]:
    if not then.present:
        return ()
    values = layout.edges[:-1]
    if len(values) <= COARSE:
        # One bar a value; what lies between two known values counts with the lower one.
        shares = [_value_shares(part) for part in (then, now)]
        shown = [format_number(float(value)) for value in values]
        names = [f"below {shown[0]}", *shown, f"above {shown[-1]}"]
        bars = [ColumnBar(*row) for row in zip(names, *shares, strict=True)]
        return tuple(bar for bar in bars if bar.reference or bar.now)
    low, high = (float(np.interp(share, then.shares[:-1], layout.edges)) for share in (0.005, 0.995))
    if not low < high:
        low, high = float(layout.edges[0]), float(layout.edges[-1])
    edges = np.linspace(low, high, COARSE - 1)
    before, after = _read_shares(layout, then, edges), _read_shares(layout, now, edges)
    between = (f"{format_number(float(first))} to {format_number(float(last))}" for first, last in pairwise(edges))
    names = [f"below {format_number(low)}", *between, f"above {format_number(high)}"]
    ticks = ["", *(f"{edge:.3g}" for edge in edges)]
    return tuple(ColumnBar(*row) for row in zip(names, before, after, ticks, strict=True))


def _value_shares(part: NumberCounts) -> list[float]:
    total = part.present or 1
    return [float(count) / total for count in part.bins]


def _read_shares(layout: NumberLayout, part: NumberCounts, edges: NDArray[np.float64]) -> list[float]:
    """The shares below the first edge, between two, and above the last; within a bin rows count as spread evenly."""
    if not part.present:
        return [0.0] * (len(edges) + 1)
    reached = np.interp(edges, layout.edges, part.shares[:-1])
    return [float(share) for share in np.diff(np.concatenate([[0.0], reached, [1.0]]))]


def _category_bars(layout: CategoryLayout, then: CategoryCounts, now: CategoryCounts) -> tuple[ColumnBar, ...]:
    totals = then.present or 1, now.present or 1
    rows = [
        (name, float(before) / totals[0], float(after) / totals[1])
        for name, before, after in zip(layout.named, then.counts, now.counts, strict=False)
    ]
    rows.sort(key=lambda row: -max(row[1:]))
    shown, rest = rows[:MOST_BARS], rows[MOST_BARS:]
    others = (
        sum(row[1] for row in rest) + float(then.counts[-1]) / totals[0],
        sum(row[2] for row in rest) + float(now.counts[-1]) / totals[1],
    )
    bars = [ColumnBar(*row) for row in shown]
    if any(others):
        bars.append(ColumnBar("all others", *others))
    for name, count in sorted(now.sample.items(), key=lambda item: -item[1])[:MOST_SERIES]:
        bars.append(ColumnBar(f"{name} (new)", 0.0, count / totals[1]))
    return tuple(bars)


def _number_series(
    name: str, layout: NumberLayout, then: NumberCounts, parts: Mapping[datetime, Profile]
) -> tuple[ColumnSeries, ...]:
    points = [(at, part.numbers[name].mean(layout)) for at, part in sorted(parts.items()) if part.numbers[name].present]
    return (ColumnSeries("Mean", tuple(points), then.mean(layout)),) if then.present else ()


def _category_series(
    name: str, layout: CategoryLayout, bars: Sequence[ColumnBar], parts: Mapping[datetime, Profile]
) -> tuple[ColumnSeries, ...]:
    """The categories whose shares moved most."""
    moved = sorted((bar for bar in bars if bar.name in layout.places), key=lambda bar: -abs(bar.now - bar.reference))
    found = []
    for bar in moved[:MOST_SERIES]:
        place = layout.places[bar.name]
        points = tuple(
            (at, float(part.categories[name].counts[place]) / part.categories[name].present)
            for at, part in sorted(parts.items())
            if part.categories[name].present
        )
        found.append(ColumnSeries(bar.name, points, bar.reference))
    return tuple(found)


def _share(count: int, rows: int) -> float:
    return count / rows if rows else 0.0
