"""How one dataset differs from another, or the later rows of one from its first: what `tiltyard.drift` decides, as
measures of a report.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tiltyard.charts.svg_bars import name_bin
from tiltyard.data.columns import Column, Roles, Table
from tiltyard.data.conform.kinds import TIME_STEP, read_row_times
from tiltyard.data.conform.rules import USUAL_RULES, ReadingRules
from tiltyard.data.read_table import read_table, unite_spellings
from tiltyard.drift import DriftOptions
from tiltyard.drift.detectors.suite import DriftTest
from tiltyard.drift.profiles.categories import category_name
from tiltyard.drift.profiles.seasons.row_hours import RowHours
from tiltyard.drift.profiles.texts import MEASURES
from tiltyard.drift.row_order import find_group_columns, order_rows
from tiltyard.drift.tables import NO_ORDER, ComparedOrder, TableDrift, compare_tables, is_incomparable
from tiltyard.errors import UsageError
from tiltyard.formatting import format_count, format_number, quote_excerpt
from tiltyard.project import Project, ValidationSection
from tiltyard.suggest import nearest

_BINS = 12
_TOP = 10
_NEW_KEPT = 20
_COLUMN_TESTS = frozenset(
    {"drift.number", "drift.category", "drift.text", "drift.terms", "drift.invalid", "drift.joint"}
)

Named = tuple[str, pd.DataFrame]


def drift_options(project: Project | None, limits: ValidationSection) -> DriftOptions:
    """How drift between datasets is decided: as ``[monitoring]`` says, and never later than ``max_drift``."""
    options = DriftOptions.from_section(project.monitoring) if project else DriftOptions()
    return replace(options, threshold=min(options.threshold, limits.max_drift))


def order_datasets(
    reference: pd.DataFrame, current: pd.DataFrame, roles: Roles, project: Project | None, rules: ReadingRules
) -> ComparedOrder:
    """Which rows belong together, by the groups and the time that the project names, or that columns show.

    A training finds them alike, so that two datasets are compared as predictions are with the training.
    """
    if project is None:
        return NO_ORDER
    inputs = {str(name) for name in reference.columns if roles.find_role(str(name)) in ("feature", "text")}
    groups = find_group_columns(reference, inputs, project)
    order = order_rows(reference, reference, groups, project.data.time, rules)
    times = order_rows(current, current, (), project.data.time, rules)
    clock = times.times if times.clock else None
    return ComparedOrder(order, hours=None if clock is None else RowHours.from_clock(clock))


def measure_drift(  # noqa: PLR0913 - all that a comparison depends on
    reference: Named,
    current: Named,
    roles: Roles,
    options: DriftOptions,
    *,
    adversarial: bool,
    rules: ReadingRules = USUAL_RULES,
    order: ComparedOrder = NO_ORDER,
) -> dict[str, Any]:
    """Measures between two datasets, each a name and its rows, whose cells are read by the rules.

    ``order`` says which rows belong together: see ``order_datasets``.

    Returns:
        ``reference`` and ``current`` (name and rows), ``judged``, ``drift_detected``, ``columns`` (lost, new),
        ``kinds`` (of columns whose kind changed), ``missing`` by column, ``label_shift``, ``feature_shift`` by column,
        ``new_values`` by column, ``told_apart``, and ``pictures``: shares in the same bins, by column.
    """
    before, after = (unite_spellings(read_table(frame, name, roles, rules)) for name, frame in (reference, current))
    found = compare_tables(before, after, options, domain_classifier=adversarial, order=order)
    current_columns = {column.name: column for column in after.columns}
    pairs = [
        (column, current_columns[column.name])
        for column in (*before.features, before.label, before.target)
        if column is not None and column.name in current_columns and column.name not in found.kinds
    ]
    tests = found.evaluation.tests
    label = before.label.name if before.label is not None and before.label.name in current_columns else None
    return {
        "reference": {"name": reference[0], "rows": before.rows},
        "current": {"name": current[0], "rows": after.rows},
        "judged": min(before.rows, after.rows) >= options.min_rows,
        "least_rows": options.min_rows,
        "drift_detected": found.evaluation.drifted or _has_lost_values(before, found.lost, options),
        "columns": {"lost": list(found.lost), "new": list(found.new)},
        "kinds": {name: list(kinds) for name, kinds in found.kinds.items()},
        "missing": describe_missing_shift(tests, label),
        "label_shift": describe_label_shift(tests, next(((b, a) for b, a in pairs if b.name == label), None)),
        "feature_shift": describe_feature_shift(
            tests, (*before.features, *((before.target,) if before.target else ())), joint=True
        ),
        "new_values": _count_new_values(tests, pairs, label),
        "told_apart": describe_separation(found),
        "pictures": {one.name: picture for one, other in pairs if (picture := _compare_shares(one, other)) is not None},
    }


def _has_lost_values(before: Table, lost: Collection[str], options: DriftOptions) -> bool:
    """Whether a column with values is gone, which does not come by chance, however few rows there are."""
    return any(
        column.name in lost
        and column.name not in options.ignore
        and not column.gaps.all()
        and not is_incomparable(column)
        for column in before.columns
    )


def describe_feature_shift(
    tests: tuple[DriftTest, ...], columns: Collection[Column], *, joint: bool = False
) -> dict[str, dict[str, Any]]:
    """The surest test of each column, and with ``joint`` of how the numbers go together."""
    chosen: dict[str, DriftTest] = {}
    texts = {f"{column.name}.{measure}": column.name for column in columns for measure in MEASURES}
    known = {column.name for column in columns} | set(texts)
    for test in tests:
        if test.code not in _COLUMN_TESTS or not (test.subject in known or (joint and test.code == "drift.joint")):
            continue
        name = texts.get(test.subject, test.subject)
        other = chosen.get(name)
        if other is None or (test.drifted, -test.adjusted) > (other.drifted, -other.adjusted):
            chosen[name] = test
    return {name: {**_describe_test(test), "subject": test.subject} for name, test in chosen.items()}


def describe_label_shift(tests: tuple[DriftTest, ...], label: tuple[Column, Column] | None) -> dict[str, Any]:
    """The labels' shift between the reference and the current rows, with the shares of both."""
    if label is None:
        return {"judged": False}
    before, after = (_count_names(column) for column in label)
    test = next((one for one in tests if one.subject == label[0].name and one.code == "drift.category"), None)
    if test is None:
        return {"judged": False}
    names = [*before, *(name for name in after if name not in before)]
    return {
        "judged": True,
        **_describe_test(test),
        "train_shares": {name: before.get(name, 0) / sum(before.values()) for name in names},
        "test_shares": {name: after.get(name, 0) / sum(after.values()) for name in names},
    }


def describe_missing_shift(tests: tuple[DriftTest, ...], label: str | None) -> dict[str, dict[str, Any]]:
    """Share of gaps before and after, of every input column that has any."""
    return {
        test.subject: {
            "reference": details["reference_share"],
            "current": details["share"],
            "distance": test.effect,
            "p_value": test.p_value,
            "adjusted_p_value": test.adjusted,
            "limit": test.limit,
            "drifted": test.drifted,
        }
        for test in tests
        if test.code == "drift.missing" and test.subject != label
        for details in (dict(test.details),)
    }


def describe_separation(found: TableDrift) -> dict[str, Any]:
    """How well a model tells the two apart, where it was tried."""
    for test in found.evaluation.tests:
        if test.code == "drift.domain":
            details = dict(test.details)
            return {
                "judged": True,
                "rows": details["classifier_rows"],
                "auc": details["auc"],
                "interval": details["interval"],
                "p_value": test.p_value,
                "adjusted_p_value": test.adjusted,
                "drifted": test.drifted,
            }
    return {"judged": False}


def cut_by_time(df: pd.DataFrame, time: str | None, periods: int, rules: ReadingRules = USUAL_RULES) -> list[Named]:
    """Periods of about as many rows, in order, each with its first and last moment as its name.

    Rows of one moment stay together, and the order of the rows within a period is kept.

    Raises:
        UsageError: there is no such column, it holds something else, or there are fewer moments than periods.
    """
    if time is None or time not in df.columns:
        column = f"'{time}'" if time else "of times"
        raise UsageError(
            f"There is no column {column} to cut the data by.{nearest(time or '', map(str, df.columns))}",
            next_step="Name it in data.time, or as time=… in the call.",
        )
    moments = _read_moments(df[time], rules)
    ordered = np.sort(moments)
    cuts = np.unique(ordered[[round(len(ordered) * place / periods) for place in range(1, periods)]])
    places = np.searchsorted(cuts, moments, side="right")
    if periods < 2 or len(cuts) < periods - 1 or len(np.unique(places)) < periods:
        raise UsageError(
            f"The rows cannot be cut into {periods} periods by '{time}': "
            f"{format_count(len(np.unique(moments)), 'moment')}.",
            next_step="Ask for fewer periods, at least 2." if periods >= 2 else "Ask for at least 2 periods.",
        )
    parts = []
    for place in range(periods):
        rows = df[places == place].reset_index(drop=True)
        inside = np.flatnonzero(places == place)
        first, last = (df[time].iloc[inside[find(moments[inside])]] for find in (np.argmin, np.argmax))
        parts.append((f"{first} to {last}", rows))
    return parts


def _read_moments(values: pd.Series, rules: ReadingRules) -> NDArray[np.float64]:
    times, unread = read_row_times(values, rules)
    moments = np.where(unread, np.nan, times.to_numpy(dtype=np.float64, na_value=np.nan))
    wrong = np.flatnonzero(~np.isfinite(moments))
    if len(wrong):
        raise UsageError(
            f"Column '{values.name}' holds {quote_excerpt(values.iloc[wrong[0]])} in row {wrong[0] + 1}, which is "
            "neither a time nor a number.",
            next_step=f"{TIME_STEP} Or leave rows without one out.",
        )
    return moments


def _describe_test(test: DriftTest) -> dict[str, Any]:
    return {
        "test": test.method,
        "distance": test.effect,
        "p_value": test.p_value,
        "adjusted_p_value": test.adjusted,
        "limit": test.limit,
        "drifted": test.drifted,
    }


def _count_new_values(
    tests: tuple[DriftTest, ...], pairs: list[tuple[Column, Column]], label: str | None
) -> dict[str, dict[str, Any]]:
    """Categories that only the current rows have, by column."""
    drifted = {test.subject for test in tests if test.code == "drift.new-category" and test.drifted}
    result = {}
    for before, after in pairs:
        if before.kind not in ("category", "boolean") or is_incomparable(before) or not before.coded:
            continue
        known = _count_names(before)
        new = {name: count for name, count in _count_names(after).items() if name not in known}
        if new:
            result[before.name] = {
                "count": sum(new.values()),
                "share": sum(new.values()) / len(after.missing),
                "values": dict(sorted(new.items(), key=lambda item: -item[1])[:_NEW_KEPT]),
                "distinct": len(new),
                "drifted": before.name in drifted or before.name == label,
            }
    return result


def _count_names(column: Column) -> dict[str, int]:
    """How often each category occurs, by the names that the engine gives them."""
    if not column.coded:
        values, counts = np.unique(column.numbers[np.isfinite(column.numbers)], return_counts=True)
        return dict(zip(map(category_name, values.tolist()), counts.tolist(), strict=True))
    found: dict[str, int] = {}
    for value, count in zip(column.distinct, column.counts.tolist(), strict=True):
        name = category_name(value)
        if name and count:
            found[name] = found.get(name, 0) + count
    return found


def _compare_shares(before: Column, after: Column) -> dict[str, Any] | None:
    """Shares of both datasets in the same bins: ranges of numbers, or the most frequent values."""
    if before.identifier:
        return None
    if before.kind in ("number", "text"):
        return _compare_histograms(
            *(_measure_lengths(one) if before.kind == "text" else one.numbers for one in (before, after)),
            noun="median length" if before.kind == "text" else "median",
        )
    if before.kind not in ("category", "boolean"):
        return None
    counts = _count_names(before), _count_names(after)
    both = {name: counts[0].get(name, 0) + counts[1].get(name, 0) for part in counts for name in part}
    top = sorted(both, key=lambda name: -both[name])[:_TOP]
    shares = [np.array([part.get(name, 0) for name in top]) / max(1, sum(part.values())) for part in counts]
    return _pair_shares(top, shares, "most frequent values")


def _compare_histograms(*sides: NDArray[np.float64], noun: str) -> dict[str, Any] | None:
    known = [side[np.isfinite(side)] for side in sides]
    if not all(len(side) for side in known):
        return None
    edges = np.unique(np.quantile(np.concatenate(known), np.linspace(0, 1, _BINS + 1)))
    if len(edges) < 2:
        return None
    bins = [name_bin(low, high) for low, high in pairwise(edges.tolist())]
    places = [np.clip(np.searchsorted(edges, side, side="right") - 1, 0, len(bins) - 1) for side in known]
    shares = [np.bincount(place, minlength=len(bins)) / len(place) for place in places]
    medians = [format_number(float(np.median(side))) for side in known]
    return _pair_shares(bins, shares, f"{noun} {medians[0]} before, {medians[1]} after; bins of equal frequency")


def _pair_shares(bins: list[str], shares: list[Any], says: str) -> dict[str, Any]:
    return {"bins": bins, "reference": shares[0].tolist(), "current": shares[1].tolist(), "says": says}


def _measure_lengths(column: Column) -> NDArray[np.float64]:
    if not column.coded:
        return np.zeros(0)
    return np.array([len(str(value)) for value in column.distinct] + [np.nan], dtype=np.float64)[column.codes]
