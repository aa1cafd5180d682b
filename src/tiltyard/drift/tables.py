"""Drift between two tables at hand: the reference's profile is made on the spot, and the same engine decides."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from tiltyard.data.columns import Column, Mask, Table
from tiltyard.data.conform.written import ColumnKind
from tiltyard.drift.detectors.domain_classifier import LEAST_ROWS, DomainClassifier
from tiltyard.drift.detectors.suite import DriftTest, compare_shares
from tiltyard.drift.findings import WHOLE, DriftEvaluation, evaluate_drift
from tiltyard.drift.options import DriftOptions
from tiltyard.drift.profiles import Reference, build_reference, profile_rows
from tiltyard.drift.profiles.categories import category_name
from tiltyard.drift.profiles.dependence import Dependence
from tiltyard.drift.profiles.rows import RowOrder, Rows
from tiltyard.drift.profiles.seasons.row_hours import RowHours

_KNOWN_VALUES = 0.5  # share of a window's numbers that must be known as words for the kind to count as the same


@dataclass(frozen=True)
class ComparedOrder:
    """What is known of the rows of two tables beyond their cells.

    Attributes:
        order: the groups and times of the reference's rows, by which it is measured how alike rows are.
        dependence: how alike they are, where a version's training has measured it.
        hours: when the current rows came.
    """

    order: RowOrder = field(default_factory=RowOrder)
    dependence: Dependence | None = None
    hours: RowHours | None = None


NO_ORDER = ComparedOrder()


@dataclass(frozen=True)
class TableDrift:
    """How one table differs from another.

    Attributes:
        evaluation: the verdict of the engine, with every test.
        lost: columns that only the reference has.
        new: columns that only the current rows have.
        kinds: kind before and now, of columns whose kind changed.
        not_compared: columns that differ by design: times, and numbers or names current to each row.
    """

    evaluation: DriftEvaluation
    lost: tuple[str, ...] = ()
    new: tuple[str, ...] = ()
    kinds: Mapping[str, tuple[ColumnKind, ColumnKind]] = field(default_factory=dict)
    not_compared: tuple[str, ...] = ()


def compare_tables(
    before: Table,
    after: Table,
    options: DriftOptions,
    *,
    domain_classifier: bool = False,
    order: ComparedOrder = NO_ORDER,
) -> TableDrift:
    """How the current table differs from the reference; columns whose role is ``other`` are left out of both.

    The reference decides what a column holds. A column that holds another kind of values now is drift by itself, and
    a column that the current table lacks is missing in all of its rows. ``order`` says what is known of groups and
    times.
    """
    known = {column.name: column for column in before.columns if column.role != "other"}
    current = {column.name: column for column in after.columns if column.role != "other"}
    shared = [name for name in known if name in current]
    left_out = [name for name in shared if is_incomparable(known[name])]
    kinds = {
        name: (known[name].kind, current[name].kind)
        for name in shared
        if (name not in left_out or known[name].kind == "time") and _has_changed_kind(known[name], current[name])
    }
    compared = [name for name in shared if name not in kinds and name not in left_out]
    lost = [name for name in known if name not in {column.name for column in after.columns}]
    rows = after.rows, before.rows
    further = [_test_kind(name, kinds[name], options, rows) for name in kinds]
    for name in lost:
        if not is_incomparable(known[name]):
            further += _test_lost_column(known[name], options, rows)
    evaluation = _compare(
        pd.DataFrame(
            {name: _read_values(known[name], known[name].kind) for name in compared}, index=range(before.rows)
        ),
        pd.DataFrame(
            {name: _read_values(current[name], known[name].kind) for name in compared}, index=range(after.rows)
        ),
        [name for name in compared if known[name].kind == "text"],
        options,
        [test for test in further if test.subject not in options.ignore],
        domain_classifier=domain_classifier,
        order=order,
    )
    return TableDrift(
        evaluation,
        tuple(lost),
        tuple(name for name in current if name not in {column.name for column in before.columns}),
        kinds,
        tuple(name for name in left_out if name not in kinds),
    )


def compare_rows(table: Table, later: Mask, options: DriftOptions, *, domain_classifier: bool = False) -> TableDrift:
    """How the marked rows of one table differ from its other rows."""
    columns = [column for column in table.columns if column.role != "other"]
    compared = [column for column in columns if not is_incomparable(column)]
    frame = pd.DataFrame(
        {column.name: _read_values(column, column.kind) for column in compared}, index=range(table.rows)
    )
    evaluation = _compare(
        frame[~later].reset_index(drop=True),
        frame[later].reset_index(drop=True),
        [column.name for column in compared if column.kind == "text"],
        options,
        domain_classifier=domain_classifier,
    )
    return TableDrift(evaluation, not_compared=tuple(c.name for c in columns if is_incomparable(c)))


def is_incomparable(column: Column) -> bool:
    """Whether a column differs by design: it holds times, or only identifies rows."""
    return column.role not in ("label", "target") and (column.kind == "time" or column.identifier)


def _compare(  # noqa: PLR0913 - all that a comparison depends on
    before: pd.DataFrame,
    after: pd.DataFrame,
    texts: list[str],
    options: DriftOptions,
    further: Iterable[DriftTest] = (),
    *,
    domain_classifier: bool,
    order: ComparedOrder = NO_ORDER,
) -> DriftEvaluation:
    rows = Rows(before, order=order.order)
    reference = build_reference(rows, texts=texts) if len(before) else Reference.empty()
    if order.dependence is not None:
        reference = replace(reference, dependence=order.dependence)
    tests = [*further]
    enough = min(len(before), len(after)) >= max(options.min_rows, LEAST_ROWS)
    if domain_classifier and enough and len(before.columns):
        tests.append(separate_sides(before, after, texts, options))
    return evaluate_drift(reference, profile_rows(reference.layout, after), options, tests, hours=order.hours)


def separate_sides(before: pd.DataFrame, after: pd.DataFrame, texts: list[str], options: DriftOptions) -> DriftTest:
    """Whether a classifier tells two frames of the same columns apart; ``texts`` names those that hold texts."""
    found = DomainClassifier().separate(before, after, texts)
    details = (("auc", found.auc), ("interval", list(found.interval)), ("classifier_rows", found.rows))
    return DriftTest(
        "drift.domain",
        WHOLE,
        DomainClassifier.name,
        found.result.effect,
        options.limit(WHOLE),
        found.p_value,
        (len(after), len(before)),
        details=details,
    )


def _test_kind(
    name: str, kinds: tuple[ColumnKind, ColumnKind], options: DriftOptions, rows: tuple[int, int]
) -> DriftTest:
    """Another kind of values does not come by chance."""
    details = (("reference_kind", kinds[0]), ("current_kind", kinds[1]))
    return DriftTest("drift.kind", name, "kind", 1.0, options.limit(name), 0.0, rows, details=details)


def _test_lost_column(column: Column, options: DriftOptions, rows: tuple[int, int]) -> Iterable[DriftTest]:
    """A column that no current row has is missing in each of them."""
    before = int(column.gaps.sum()), rows[1]
    return compare_shares(options, column.name, "drift.missing", before, (rows[0], rows[0]))


def _has_changed_kind(before: Column, after: Column) -> bool:
    """Whether the values are of another kind; short words and long ones are of one."""
    if "empty" in (before.kind, after.kind) or "label" in (before.role, after.role):
        return False
    if _group_kind(before) == _group_kind(after):
        return False
    if _group_kind(before) == "words" and after.kind == "number":
        # Words that happen to be numbers in these rows: codes such as 12 and A7.
        names = _read_values(after, "category").dropna()
        return bool(names.isin(set(_read_values(before, "category").dropna())).mean() < _KNOWN_VALUES)
    return True


def _group_kind(column: Column) -> str:
    return "words" if column.kind in ("category", "text") else column.kind


def _read_values(column: Column, kind: ColumnKind) -> pd.Series:
    """The n values as the engine takes them: numbers as floats, all else as text; None or NaN where there is none."""
    if kind == "number":
        numbers = column.numbers if column.numeric else np.full(len(column.missing), np.nan)
        unreadable = ~column.gaps & ~np.isfinite(numbers) if column.coded else np.zeros(len(numbers), dtype=bool)
        if not unreadable.any():
            return pd.Series(np.where(column.gaps, np.nan, numbers))
        # What is not a number stays as it is: its share has a test.
        cells = numbers.astype(object)
        cells[unreadable] = np.array([*map(str, column.distinct), None], dtype=object)[column.codes[unreadable]]
    elif column.coded:
        cells = np.array([*(_write_value(value, kind) for value in column.distinct), None], dtype=object)[column.codes]
    else:
        distinct, codes = np.unique(column.numbers, return_inverse=True)
        cells = np.array([category_name(value) for value in distinct.tolist()], dtype=object)[codes]
    cells[column.gaps] = None
    return pd.Series(cells, dtype="object")


def _write_value(value: object, kind: ColumnKind) -> str:
    return str(value) if kind == "text" else category_name(value)
