"""How one dataset differs from another, or the later rows of one from its first."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tiltyard.charts.svg_charts import between
from tiltyard.errors import UsageError
from tiltyard.formatting import excerpt, figure
from tiltyard.suggest import nearest
from tiltyard.validation.columns import Column, Mask, Roles, Table, read_table
from tiltyard.validation.split.adversarial import adversarial_auc
from tiltyard.validation.split.measures import feature_shift, label_shift
from tiltyard.validation.two_sample_tests import shift_of_counts

# With fewer rows on a side hardly any difference could be told from chance.
LEAST_ROWS = 30
_BINS = 12
_TOP = 10
_NEW_KEPT = 20

Named = tuple[str, pd.DataFrame]


def measure_drift(reference: Named, current: Named, roles: Roles, *, adversarial: bool) -> dict[str, Any]:
    """Measures between two datasets, each a name and its rows.

    Columns are looked at in each dataset by itself for their kind, and in both together for their values, so that equal
    values have equal codes.

    Returns:
        ``reference`` and ``current`` (name and rows), ``columns`` (lost, new), ``kinds`` (of columns whose kind
        changed), ``missing``, ``label_shift``, ``feature_shift``, ``new_values`` by column, ``adversarial_auc``, and
        ``pictures``: shares in the same bins, by column.
    """
    before, after = (read_table(frame, name, roles) for name, frame in (reference, current))
    kinds = _changed_kinds(before, after)
    names = [column.name for column in before.columns]
    there = {column.name for column in after.columns}
    shared = [name for name in names if name in there and name not in kinds]
    whole = pd.concat([reference[1][shared], current[1][shared]], ignore_index=True)
    table = read_table(whole, "drift", roles)
    later = np.arange(len(whole)) >= before.rows
    enough = min(before.rows, after.rows) >= LEAST_ROWS
    expected = _inputs(before)
    return {
        "reference": {"name": reference[0], "rows": before.rows},
        "current": {"name": current[0], "rows": after.rows},
        "judged": enough,
        "columns": {
            "lost": [name for name in expected if name not in there],
            "new": [column.name for column in after.columns if column.name not in names and column.role != "other"],
        },
        "kinds": {name: kinds[name] for name in kinds if name in expected},
        "missing": _missing(table, later) if enough else {},
        "label_shift": label_shift(table.label, later) if enough and table.label is not None else {"judged": False},
        "feature_shift": feature_shift(table, later) if enough and table.features else {},
        "new_values": _new_values(table, later) if enough else {},
        "told_apart": adversarial_auc(table, later) if adversarial and enough else {"judged": False},
        "pictures": _pictures(table, later),
    }


def cut_by_time(df: pd.DataFrame, time: str | None, periods: int) -> list[Named]:
    """Periods of about as many rows, in order, each with its first and last moment as its name.

    Rows of one moment stay together, and the order of the rows within a period is kept.

    Raises:
        UsageError: there is no such column, it holds something else, or there are fewer moments than periods.
    """
    if time is None or time not in df.columns:
        named = f"'{time}'" if time else "of times"
        raise UsageError(
            f"There is no column {named} to cut the data by.{nearest(time or '', map(str, df.columns))}",
            next_step="Name it in data.time, or as time=… in the call.",
        )
    moments = _moments(df[time])
    ordered = np.sort(moments)
    cuts = np.unique(ordered[[round(len(ordered) * place / periods) for place in range(1, periods)]])
    places = np.searchsorted(cuts, moments, side="right")
    if periods < 2 or len(cuts) < periods - 1 or len(np.unique(places)) < periods:
        raise UsageError(
            f"The rows cannot be cut into {periods} periods by '{time}': {len(np.unique(moments)):,} moments.",
            next_step="Ask for fewer periods, at least 2." if periods >= 2 else "Ask for at least 2 periods.",
        )
    parts = []
    for place in range(periods):
        rows = df[places == place].reset_index(drop=True)
        inside = np.flatnonzero(places == place)
        first, last = (df[time].iloc[inside[find(moments[inside])]] for find in (np.argmin, np.argmax))
        parts.append((f"{first} to {last}", rows))
    return parts


def _moments(values: pd.Series) -> NDArray[np.float64]:
    if pd.api.types.is_numeric_dtype(values.dtype):
        moments = values.to_numpy(dtype=np.float64, na_value=np.nan)
    else:
        read = pd.to_datetime(values, errors="coerce", utc=True, format="ISO8601")
        moments = np.where(read.isna(), np.nan, read.to_numpy(dtype="datetime64[us]").astype(np.int64) / 1e6)
    wrong = np.flatnonzero(~np.isfinite(moments))
    if len(wrong):
        raise UsageError(
            f"Column '{values.name}' holds {excerpt(values.iloc[wrong[0]])} in row {wrong[0] + 1}, which is no "
            "ISO 8601 time and no number.",
            next_step="Write times like 2026-01-31T12:00:00Z, or leave rows without one out.",
        )
    return moments


def _inputs(table: Table) -> list[str]:
    return [column.name for column in table.columns if column.role != "other"]


def _changed_kinds(before: Table, after: Table) -> dict[str, list[str]]:
    """Columns whose values are of another kind; short words and long ones are of one."""
    kinds = {column.name: column for column in after.columns}
    changed: dict[str, list[str]] = {}
    for column in before.columns:
        other = kinds.get(column.name)
        if other is None or "empty" in (column.kind, other.kind) or column.role == "label":
            continue
        if _kind(column) != _kind(other):
            changed[column.name] = [column.kind, other.kind]
    return changed


def _kind(column: Column) -> str:
    return "words" if column.kind in ("category", "text") else column.kind


def _missing(table: Table, later: Mask) -> dict[str, dict[str, Any]]:
    """Share of gaps before and after, of every input column that has any."""
    result = {}
    for column in table.features:
        gaps = column.gaps
        if not gaps.any():
            continue
        counts = [np.array([np.count_nonzero(gaps & side), np.count_nonzero(~gaps & side)]) for side in (~later, later)]
        shift = shift_of_counts(*counts)
        result[column.name] = {
            "reference": float(counts[0][0] / counts[0].sum()),
            "current": float(counts[1][0] / counts[1].sum()),
            "distance": shift.distance,
            "p_value": shift.p_value,
        }
    return result


def _new_values(table: Table, later: Mask) -> dict[str, dict[str, Any]]:
    """Categories that only the current rows have, by column."""
    result = {}
    for column in table.columns:
        if not column.coded or column.kind != "category" or column.identifier or column.role == "other":
            continue
        counts = [_counts(column, side) for side in (~later, later)]
        new = np.flatnonzero((counts[0] == 0) & (counts[1] > 0))
        if len(new):
            new = new[np.argsort(-counts[1][new], kind="stable")]
            result[column.name] = {
                "count": int(counts[1][new].sum()),
                "share": float(counts[1][new].sum() / later.sum()),
                "values": {str(column.distinct[place]): int(counts[1][place]) for place in new[:_NEW_KEPT]},
                "distinct": len(new),
            }
    return result


def _pictures(table: Table, later: Mask) -> dict[str, dict[str, Any]]:
    pictures = {column.name: _picture(column, later) for column in (*table.features, table.label) if column is not None}
    return {name: picture for name, picture in pictures.items() if picture is not None}


def _picture(column: Column, later: Mask) -> dict[str, Any] | None:
    """Shares of both datasets in the same bins: ranges of numbers, or the most frequent values."""
    if column.kind == "text" or (column.kind == "number" and column.numeric):
        numbers = _lengths(column) if column.kind == "text" else column.numbers
        known = np.isfinite(numbers)
        if column.identifier or not (known & later).any() or not (known & ~later).any():
            return None
        edges = np.unique(np.quantile(numbers[known], np.linspace(0, 1, _BINS + 1)))
        if len(edges) < 2:
            return None
        places = np.clip(np.searchsorted(edges, numbers, side="right") - 1, 0, len(edges) - 2)
        bins = [between(low, high) for low, high in pairwise(edges.tolist())]
        shares = [_shares(places[known & side], len(bins)) for side in (~later, later)]
        medians = [figure(float(np.median(numbers[known & side]))) for side in (~later, later)]
        noun = "median length" if column.kind == "text" else "median"
        return _side_by_side(bins, shares, f"{noun} {medians[0]} before, {medians[1]} after; bins of equal frequency")
    if not column.coded or column.identifier or column.kind not in ("category", "boolean"):
        return None
    top = np.argsort(-column.counts, kind="stable")[:_TOP]
    totals = [max(1, int(np.count_nonzero(~column.gaps & side))) for side in (~later, later)]
    shares = [_counts(column, side)[top] / total for side, total in zip((~later, later), totals, strict=True)]
    return _side_by_side([str(column.distinct[place]) for place in top], shares, "most frequent values")


def _side_by_side(bins: list[str], shares: list[Any], says: str) -> dict[str, Any]:
    return {"bins": bins, "reference": shares[0].tolist(), "current": shares[1].tolist(), "says": says}


def _lengths(column: Column) -> NDArray[np.float64]:
    return np.array([len(str(value)) for value in column.distinct] + [np.nan], dtype=np.float64)[column.codes]


def _shares(places: NDArray[np.intp], size: int) -> NDArray[np.float64]:
    return np.asarray(np.bincount(places, minlength=size) / max(1, len(places)), dtype=np.float64)


def _counts(column: Column, mask: Mask) -> NDArray[np.int64]:
    codes = column.codes[mask]
    return np.bincount(codes[codes >= 0], minlength=len(column.distinct))
