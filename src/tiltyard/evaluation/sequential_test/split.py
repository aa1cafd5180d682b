"""Each version predicted its own inputs: the units were divided between the two by chance."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tiltyard.errors import UsageError
from tiltyard.evaluation.sequential_test.bets import MOST_LOST, find_upper_bound, log_evidence, sum_before
from tiltyard.evaluation.sequential_test.power import count_units_needed
from tiltyard.evaluation.sequential_test.units import UnitRows, UnitTotals, add_evidence, log_cost, total_units
from tiltyard.evaluation.sequential_test.verdict import GAIN, LiveVerdict, bounded_exp, check_options, choose_decision
from tiltyard.formatting import format_count

# Before anything is known: as if so many pairs of rows of one unit had been seen, as alike as this.
_PRIOR_PAIRS, _PRIOR_ALIKE = 20.0, 0.2
_LEAST_SPREAD = 1e-3
# The same for the variance of a row whose outcome is not right or wrong alone.
_PRIOR_ROWS, _PRIOR_ROW_SPREAD = 20.0, 0.08
# For the mean so far a unit counts for at most 20 rows: one large caller does not set it alone.
_NOMINAL_ALIKE = 0.05


def evaluate_split(
    of_challenger: NDArray[np.bool_],
    right: NDArray[np.bool_] | NDArray[np.float64],
    *,
    share: float | NDArray[np.float64],
    units: UnitRows | None = None,
    alpha: float = 0.05,
    min_gain: float = 0.005,
) -> LiveVerdict:
    """Evaluate two versions between which requests and callers were divided.

    The side of a unit was drawn with the probability ``share``, whatever its rows are like. If the side makes no
    difference, it is still such a draw once the outcomes are known: a bet on the side of a unit, by how often its rows
    were right against what was forecast from the units before, is fair. This holds exactly, for rows of a unit that
    depend on each other in any way, for units of any sizes, and for outcomes that change in time. For versions that
    differ, a bet that is linear in the share of right rows wins nothing on average where the challenger is not better;
    bets are linear up to two and a half standard deviations, and throughout where rows are not right or wrong alone:
    such outcomes may be skewed. Ever passing 1 / alpha has a probability of at most alpha
    (Ville, 1939; Ramdas et al., Statistical Science 38, 2023). Of n rows with the correlation rho, a unit counts
    as n / (1 + (n - 1) rho) rows, by the correlation in the units before.

    It takes for granted that labels come for both alike: a label that is more likely for one version's rows misleads
    any comparison.

    Args:
        of_challenger: for n labelled rows, in the order in which the ledger received their labels, whether the unit is
            on the challenger's side.
        right: whether the prediction was right; or how right it was, 0.0 to 1.0.
        share: the challenger's share of the units, between 0 and 1; or of each row, when it was predicted. Rows that a
            unit sent under another share than its first do not count.
        units: the unit of each row; None: each row is one.
        alpha: most that the chance may be of ever reporting ``challenger wins`` for one that is not better.
        min_gain: a gain of accuracy smaller than this is not worth waiting for.

    Raises:
        UsageError: the lengths differ, or ``share``, ``alpha`` or ``min_gain`` is out of range.
    """
    rows = _check_rows(of_challenger, right, share, units)
    theirs, values = rows.theirs, rows.right
    champion_rows, challenger_rows = int(np.sum(~theirs)), int(np.sum(theirs))
    check_options((champion_rows, challenger_rows), alpha, min_gain)
    rows = _keep_first_share(rows)
    champion = float(values[~theirs].sum()) / champion_rows if champion_rows else None
    challenger = float(values[theirs].sum()) / challenger_rows if challenger_rows else None
    observed = 0.0 if champion is None or challenger is None else challenger - champion
    swapped = rows._replace(theirs=~rows.theirs, shares=1 - rows.shares)
    # The champion's gain over the challenger is the same difference with the other sign.
    high = find_upper_bound(lambda gain: _log_evidence(swapped, -gain), observed, alpha)
    low = -find_upper_bound(lambda gain: _log_evidence(rows, -gain), -observed, alpha)
    e_value, against = bounded_exp(_log_evidence(rows, 0.0)), bounded_exp(_log_evidence(swapped, 0.0))
    return LiveVerdict(
        decision=choose_decision(e_value, against, high, alpha, min_gain),
        mode="split",
        alpha=alpha,
        min_gain=min_gain,
        champion=champion,
        challenger=challenger,
        champion_rows=champion_rows,
        challenger_rows=challenger_rows,
        e_value=e_value,
        low=low,
        high=high,
        champion_units=len(np.unique(rows.units.unit[~rows.theirs])),
        challenger_units=len(np.unique(rows.units.unit[rows.theirs])),
        units_needed=_count_needed(rows, alpha) if champion_rows and challenger_rows else None,
    )


def compute_split_evidence(
    of_challenger: NDArray[np.bool_],
    right: NDArray[np.bool_] | NDArray[np.float64],
    *,
    share: float | NDArray[np.float64],
    units: UnitRows | None = None,
) -> float:
    """Evidence that the challenger is right more often than the champion: the e-value of ``evaluate_split``."""
    rows = _keep_first_share(_check_rows(of_challenger, right, share, units))
    return bounded_exp(_log_evidence(rows, 0.0))


class _SplitRows(NamedTuple):
    """Labelled rows: the side that may be better, the outcome, that side's share, and the unit of each.

    Of outcomes that are not right or wrong alone, also the variance that the rows before each let expect of a row.
    """

    theirs: NDArray[np.bool_]
    right: NDArray[np.float64]
    shares: NDArray[np.float64]
    units: UnitRows
    spread: NDArray[np.float64] | None = None


def _check_rows(
    of_challenger: NDArray[np.bool_],
    right: NDArray[np.bool_] | NDArray[np.float64],
    share: float | NDArray[np.float64],
    units: UnitRows | None,
) -> _SplitRows:
    theirs, given = np.asarray(of_challenger, dtype=bool), np.asarray(right)
    graded = given.dtype.kind == "f"
    values = given.astype(np.float64)
    shares = np.broadcast_to(np.asarray(share, dtype=float), theirs.shape)
    if theirs.shape != values.shape or not np.all((shares > 0) & (shares < 1)) or not 0 < np.mean(share) < 1:
        raise UsageError(
            f"{format_count(len(theirs), 'row')}, {format_count(len(values), 'outcome')} and a share of "
            f"{np.mean(share):g} cannot be evaluated.",
            next_step="Give an outcome for each row, and a share of the traffic between 0 and 1.",
        )
    if not np.all((values >= 0) & (values <= 1)):
        raise UsageError("An outcome is not between 0 and 1.", next_step="Say how right each prediction was, 0 to 1.")
    spread = _expect_spread(values) if graded else None
    return _SplitRows(theirs, values, shares, UnitRows.of_single_rows(len(theirs)) if units is None else units, spread)


def _expect_spread(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The variance of a row that the rows before it show, each with the weight of one, and a guess with that of 20."""
    count = np.arange(len(values)) + 1.0
    mean = (sum_before(values) + 0.5) / count
    squares = (sum_before(values**2) + 0.5**2) / count
    seen = np.maximum(squares - mean**2, 0.0) * (count - 1)
    spread: NDArray[np.float64] = (seen + _PRIOR_ROWS * _PRIOR_ROW_SPREAD) / (count - 1 + _PRIOR_ROWS)
    return np.maximum(spread, _LEAST_SPREAD)


def _keep_first_share(rows: _SplitRows) -> _SplitRows:
    """The rows of each unit under the share of its first one: a unit that changes sides later was drawn only once."""
    if rows.units.are_single_rows or len(np.unique(rows.shares)) < 2:
        return rows
    _, first, unit = np.unique(rows.units.unit, return_index=True, return_inverse=True)
    same = rows.shares == rows.shares[first][unit]
    spread = None if rows.spread is None else rows.spread[same]
    return _SplitRows(rows.theirs[same], rows.right[same], rows.shares[same], rows.units.select(same), spread)


def _log_evidence(rows: _SplitRows, gain: float) -> float:
    """Log of the evidence that ``theirs`` are right more often than the others, by more than ``gain``."""

    def evidence(units: UnitTotals) -> float:
        theirs, share = rows.theirs[units.first], rows.shares[units.first]
        forecast = _forecast(units, theirs, None if rows.spread is None else rows.spread[units.first])
        weight = units.rows / (1 + (units.rows - 1) * forecast.alike)
        surprise = weight * (units.total / units.rows - forecast.mean) / forecast.spread
        information, most = weight / forecast.spread, MOST_LOST / np.maximum(share, 1 - share)
        reach = np.maximum(forecast.mean, 1 - forecast.mean) + abs(gain)
        limit = None if rows.spread is None else most / (reach * information)
        return log_evidence(surprise, information, theirs - share, most, limit)

    return add_evidence(rows.units, rows.right - gain * rows.theirs, evidence)


def _count_needed(rows: _SplitRows, alpha: float) -> int:
    """How many units like these find a true gain of one point."""
    units = total_units(rows.units, rows.right)
    # What all units together say of a further one.
    spread = None if rows.spread is None else np.append(rows.spread[units.first], rows.spread[-1])
    forecast = _forecast(units.follow_by_one(), np.append(rows.theirs[units.first], False), spread)
    share = float(np.mean(rows.shares))
    weight = units.rows / (1 + (units.rows - 1) * forecast.alike[-1])
    return count_units_needed(
        GAIN,
        float(np.mean(weight)) / float(forecast.spread[-1]),
        alpha=alpha,
        side=share * (1 - share),
        largest_side=max(share, 1 - share),
        cost=log_cost(rows.units),
    )


class _Forecast(NamedTuple):
    """What the units before a unit say of it: mean and variance of a row, and the correlation of two of its rows."""

    mean: NDArray[np.float64]
    spread: NDArray[np.float64]
    alike: NDArray[np.float64]


def _forecast(units: UnitTotals, theirs: NDArray[np.bool_], row_spread: NDArray[np.float64] | None) -> _Forecast:
    rows, share = units.rows, units.total / units.rows
    weight = rows / (1 + (rows - 1) * _NOMINAL_ALIKE)
    # Half a hit and half a miss before the first row (Krichevsky and Trofimov, 1981).
    mean = (sum_before(weight * share) + 0.5) / (sum_before(weight) + 1.0)
    spread = np.maximum(mean * (1 - mean), _LEAST_SPREAD) if row_spread is None else row_spread
    # Of rows that do not depend on each other, the expectation is 0; else the correlation times the other rows.
    excess = np.where(rows > 1, rows * (share - mean) ** 2 / spread - 1, 0.0)

    def correlate(side: NDArray[np.bool_]) -> NDArray[np.float64]:
        pairs = sum_before((rows - 1) * side) + _PRIOR_PAIRS
        return (sum_before(excess * side) + _PRIOR_PAIRS * _PRIOR_ALIKE) / pairs

    # Of two sides that are unlike the wider one counts: its rare failures of whole units must not be cut off.
    alike = np.maximum(correlate(theirs), correlate(~theirs))
    return _Forecast(mean, spread, np.clip(alike, 0.0, 1.0))
