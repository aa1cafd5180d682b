"""Numbers far from the others, found by measures that the outliers themselves cannot move."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiltyard.data.columns import Column, Table
from tiltyard.findings import Finding, could_not_judge
from tiltyard.formatting import (
    choose_form,
    first_rows,
    format_count,
    format_number,
    format_percent,
    join_names,
    join_rows,
)
from tiltyard.project import ValidationSection
from tiltyard.validation.table.isolated_values import FEW, find_isolated_bounds, select_outside

Z_LIMIT = 3.5
FENCES = 3.0
_NORMAL_MAD = 0.6745
_SKEWED = 0.2
_LEAST_VALUES = 20
# Fewer different numbers than these are grades or small counts: only values that stand alone are far from the rest.
_LEAST_DISTINCT = 20


def measure_outliers(table: Table) -> dict[str, Any]:
    """Outliers of every column of numbers; see `outliers_of`."""
    columns = [column for column in table.features if column.kind == "number"]
    return {"columns": {column.name: _measure_column(column) for column in columns}}


def find_modified_z_bounds(values: NDArray[np.float64], ordered: NDArray[np.float64]) -> NDArray[np.float64]:
    """The modified z-score 0.6745 (x − median) / MAD of Iglewicz and Hoaglin (How to Detect and Handle
    Outliers, ASQC Quality Press, 1993), who call a value an outlier where it is beyond ±3.5.

    Args:
        values: n numbers.
        ordered: all numbers of the column, ascending; their median absolute deviation must not be 0.
    """
    middle = _quantile(ordered, 0.5)
    return np.asarray(_NORMAL_MAD * (values - middle) / _deviation(ordered), dtype=np.float64)


def find_outer_fences(ordered: NDArray[np.float64]) -> tuple[float, float]:
    """Tukey's outer fences (Exploratory Data Analysis, 1977): three interquartile ranges beyond the quartiles."""
    low, high = _quantile(ordered, 0.25), _quantile(ordered, 0.75)
    return low - FENCES * (high - low), high + FENCES * (high - low)


def find_bounds(ordered: NDArray[np.float64]) -> tuple[float, float, str] | None:
    """Between which values numbers are not outliers, and on which scale that holds; outliers break both rules.

    The quantities of life (incomes, counts, durations) are skewed, and on their own scale a tail is not an outlier:
    where no value is negative and Bowley's skewness (Q1 + Q3 − 2 median) / (Q3 − Q1) is above 0.2, numbers are
    measured as log(1 + x). None where the rules have no width: half of the values are one number.
    """
    low, middle, high = (_quantile(ordered, share) for share in (0.25, 0.5, 0.75))
    skewed = high > low and ordered[0] >= 0 and (low + high - 2 * middle) / (high - low) > _SKEWED
    scaled = np.log1p(ordered) if skewed else ordered
    middle, deviation = _quantile(scaled, 0.5), _deviation(scaled)
    if high <= low or not deviation:
        return None
    below, above = find_outer_fences(scaled)
    below = min(below, middle - Z_LIMIT * deviation / _NORMAL_MAD)
    above = max(above, middle + Z_LIMIT * deviation / _NORMAL_MAD)
    return (float(np.expm1(below)), float(np.expm1(above)), "log") if skewed else (below, above, "plain")


def evaluate_outliers(measured: dict[str, Any], limits: ValidationSection) -> list[Finding]:
    """Findings about outliers: of a column where they are too many or lie apart, else of all columns together."""
    found, tails, unchecked = [], {}, []
    for name, column in measured["columns"].items():
        if not column["judged"]:
            unchecked += [name] if column["why"] == "spread" else []
        elif column["share"] > limits.max_outliers or column["apart"]:
            found.append(_outliers_finding(name, column, limits.max_outliers))
        elif column["count"]:
            tails[name] = column["share"]
    if tails:
        found.append(_many_outliers_finding(tails, limits.max_outliers))
    if unchecked:
        found.append(
            could_not_judge(
                "data.outliers",
                "columns",
                "Half or more of the values are one and the same number, so there is no spread to measure outliers by: "
                f"{join_names(unchecked)}.",
                title="Outliers",
            )
        )
    return found


def _measure_column(column: Column) -> dict[str, Any]:
    ordered = column.ordered
    coarse = len(ordered) < _LEAST_VALUES or column.different < _LEAST_DISTINCT
    limits = None if coarse else find_bounds(ordered)
    if limits is None:
        isolated = find_isolated_bounds(ordered)
        if isolated is None:
            return {"judged": False, "why": "few" if coarse else "spread", "count": 0, "share": 0.0}
        limits = (*isolated, "gaps")
    below, above, scale = limits
    count = int(np.searchsorted(ordered, below) + len(ordered) - np.searchsorted(ordered, above, side="right"))
    facts = {
        "judged": True,
        "scale": scale,
        "bounds": [below, above],
        "count": count,
        "share": count / len(ordered),
        "median": _quantile(ordered, 0.5),
        "quartiles": [_quantile(ordered, 0.25), _quantile(ordered, 0.75)],
    }
    further = _find_furthest(column, below, above)
    return {**facts, **further, "apart": scale == "gaps" or further["apart"]}


def _find_furthest(column: Column, below: float, above: float) -> dict[str, Any]:
    """Where the outliers are, and the five that are furthest away."""
    ordered = column.ordered
    found = select_outside(column.numbers, (below, above))
    values = column.numbers[found]
    if not len(values):
        return {"apart": False, "largest_score": 0.0, "furthest": [], "rows": []}
    others = ordered[(ordered >= below) & (ordered <= above)]
    order = np.argsort(-np.maximum(others[0] - values, values - others[-1]), kind="stable")[:5]
    return {
        "apart": len(values) <= FEW * len(ordered) and _lie_apart(values, others),
        "largest_score": float(np.abs(find_modified_z_bounds(values, ordered)).max()) if _deviation(ordered) else None,
        "furthest": [float(value) for value in values[order]],
        "rows": first_rows(found),
    }


def _lie_apart(outliers: NDArray[np.float64], others: NDArray[np.float64]) -> bool:
    """Whether a gap wider than the range of all other values lies between some outliers and the rest."""
    low, high = float(others[0]), float(others[-1])
    above = np.diff(np.sort(np.append(outliers[outliers > high], high)))
    below = np.diff(np.sort(np.append(outliers[outliers < low], low)))
    return bool(max(above.max(initial=0.0), below.max(initial=0.0)) > high - low)


def _outliers_finding(name: str, column: dict[str, Any], limit: float) -> Finding:
    share, quartiles, count = column["share"], column["quartiles"], column["count"]
    furthest = ", ".join(format_number(value) for value in dict.fromkeys(column["furthest"]))
    return Finding(
        "data.outliers",
        "error" if share > limit else "warning",
        name,
        "Outliers",
        f"{format_count(count, 'value')} of '{name}' ({format_percent(share)}) {choose_form(count, 'lies', 'lie')} "
        "far from the rest, "
        f"such as {furthest} (half of all lie between {format_number(quartiles[0])} and {format_number(quartiles[1])}; "
        f"{join_rows(column['rows'], count)}).",
        score=share,
        limit=limit,
        evidence=column,
        next_step="Check the furthest against their source: mistakes are to be corrected, true values may stay.",
    )


def _many_outliers_finding(tails: dict[str, float], limit: float) -> Finding:
    names = sorted(tails, key=lambda name: -tails[name])
    shares = ", ".join(f"'{name}' {format_percent(tails[name])}" for name in names[:5]) + (
        ", …" if len(names) > 5 else ""
    )
    return Finding(
        "data.outliers",
        "info",
        "columns",
        "Outliers",
        f"{format_count(len(names), 'column')} {choose_form(len(names), 'has', 'have')} values far from the rest, "
        "though none "
        f"lies apart: {shares}.",
        score=tails[names[0]],
        limit=limit,
        evidence={"columns": tails},
        next_step="See their histograms; long tails are natural for money, counts and durations.",
    )


def _deviation(ordered: NDArray[np.float64]) -> float:
    """The median absolute deviation from the median."""
    return float(np.median(np.abs(ordered - _quantile(ordered, 0.5))))


def _quantile(ordered: NDArray[np.float64], share: float) -> float:
    """The quantile of ascending numbers, between neighbours linearly."""
    place = (len(ordered) - 1) * share
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return float(ordered[below] + (ordered[above] - ordered[below]) * (place - below))
