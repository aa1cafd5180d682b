"""Live tests of numbers: bets on the absolute error, which counts up to a cap, so that one far miss decides nothing."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tiltyard.errors import UsageError
from tiltyard.evaluation.sequential_test.bets import MOST_LOST, find_upper_bound, log_evidence, sum_before
from tiltyard.evaluation.sequential_test.power import count_units_needed
from tiltyard.evaluation.sequential_test.split import evaluate_split
from tiltyard.evaluation.sequential_test.units import UnitRows, UnitTotals, add_evidence, log_cost, total_units
from tiltyard.evaluation.sequential_test.verdict import GAIN, LiveVerdict, bounded_exp, check_options, choose_decision
from tiltyard.formatting import format_count

CAP_ERRORS = 3.0
"""An error counts up to so many times the champion's mean absolute error on its test rows."""

# Variance of a row's lead before any unit was seen.
_PRIOR_SPREAD = 0.1


class ErrorPairs(NamedTuple):
    """Absolute errors of two versions on the same n labelled inputs, in the order in which their labels came.

    Attributes:
        champion: the champion's, in the unit of the label.
        challenger: the challenger's.
        units: the unit of each row.
    """

    champion: NDArray[np.float64]
    challenger: NDArray[np.float64]
    units: UnitRows


def share_errors(errors: NDArray[np.float64], cap: float) -> NDArray[np.float64]:
    """Absolute errors as shares of the cap, 0 to 1; what lies beyond the cap counts as the cap.

    Raises:
        UsageError: the cap is not a finite number above 0.
    """
    if not (np.isfinite(cap) and cap > 0):
        raise UsageError(
            f"Errors cannot be capped at {cap:g}: it has to be a finite number above 0.",
            next_step=f"Give {CAP_ERRORS:g} times the champion's mean absolute error.",
        )
    return np.minimum(np.asarray(errors, dtype=np.float64) / cap, 1.0)


def evaluate_number_shadow(
    pairs: ErrorPairs, cap: float, *, alpha: float = 0.05, min_gain: float = 0.005
) -> LiveVerdict:
    """Evaluate two versions that predicted the same n labelled inputs with numbers.

    Of each row the champion's capped error less the challenger's counts, as a share of the cap. The bet on a unit is on
    the mean over its rows, by what the units before show, and is linear over all means that are possible: if the
    challenger's capped error is not less in expectation, given the units before, the evidence is a non-negative
    supermartingale, and ever passing 1 / alpha has a probability of at most alpha (Ville, 1939; Waudby-Smith and
    Ramdas, Journal of the Royal Statistical Society B 86, 2024), for errors of any distribution.

    Args:
        pairs: the errors of both.
        cap: largest error that counts, in the unit of the label; it is chosen before the test.
        alpha: most that the chance may be of ever reporting ``challenger wins`` for one that is not better.
        min_gain: a gain smaller than this share of the cap is not worth waiting for.

    Returns:
        A verdict in the unit of the label: ``champion`` and ``challenger`` are mean capped errors, the difference and
        its bounds are what the challenger saves.

    Raises:
        UsageError: ``cap``, ``alpha`` or ``min_gain`` is out of range, or the lengths differ.
    """
    champion, challenger = share_errors(pairs.champion, cap), share_errors(pairs.challenger, cap)
    rows = len(champion)
    check_options((rows,), alpha, min_gain)
    if not len(champion) == len(challenger) == len(pairs.units.unit):
        raise UsageError(
            f"{format_count(rows, 'error')} of the champion, {len(challenger):,} of the challenger and "
            f"{format_count(len(pairs.units.unit), 'unit')} do not fit.",
            next_step="Give both errors and the unit of each row.",
        )
    lead, units = champion - challenger, pairs.units
    observed = float(lead.mean()) if rows else 0.0
    e_value, against = (bounded_exp(_log_lead(side, units, 0.0)) for side in (lead, -lead))
    low = -find_upper_bound(lambda gain: _log_lead(lead, units, -gain), -observed, alpha)
    high = find_upper_bound(lambda gain: _log_lead(-lead, units, -gain), observed, alpha)
    count = len(np.unique(units.unit))
    found = LiveVerdict(
        decision=choose_decision(e_value, against, high, alpha, min_gain),
        mode="shadow",
        alpha=alpha,
        min_gain=min_gain,
        champion=1 - float(champion.mean()) if rows else None,
        challenger=1 - float(challenger.mean()) if rows else None,
        champion_rows=rows,
        challenger_rows=rows,
        e_value=e_value,
        low=low,
        high=high,
        champion_units=count,
        challenger_units=count,
        units_needed=_count_needed(lead, units, alpha) if rows else None,
    )
    return _in_units_of_label(found, cap)


def evaluate_number_split(
    of_challenger: NDArray[np.bool_],
    errors: NDArray[np.float64],
    cap: float,
    *,
    share: float | NDArray[np.float64],
    units: UnitRows | None = None,
    alpha: float = 0.05,
) -> LiveVerdict:
    """Evaluate two versions between which requests and callers were divided, and which predict numbers.

    The test of ``evaluate_split``, of how right a row is: 1 less its capped error's share of the cap.

    Args:
        of_challenger: as of ``evaluate_split``.
        errors: absolute error of each row, in the unit of the label.
        cap: largest error that counts; it is chosen before the test.
        share: as of ``evaluate_split``.
        units: as of ``evaluate_split``.
        alpha: most that the chance may be of ever reporting ``challenger wins`` for one that is not better.

    Returns:
        A verdict in the unit of the label, as of ``evaluate_number_shadow``.

    Raises:
        UsageError: as of ``evaluate_split``, or ``cap`` is not a finite number above 0.
    """
    right = 1.0 - share_errors(errors, cap)
    found = evaluate_split(of_challenger, right, share=share, units=units, alpha=alpha)
    return _in_units_of_label(found, cap)


def compute_number_shadow_evidence(pairs: ErrorPairs, cap: float) -> float:
    """Evidence that the challenger's capped error is less than the champion's: see ``evaluate_number_shadow``."""
    lead = share_errors(pairs.champion, cap) - share_errors(pairs.challenger, cap)
    return bounded_exp(_log_lead(lead, pairs.units, 0.0))


def count_error_units_needed(pairs: ErrorPairs, cap: float, *, alpha: float) -> int:
    """How many units like these, at least one, find a true gain of one hundredth of the cap.

    Args:
        pairs: the errors of both.
        cap: largest error that counts, in the unit of the label.
        alpha: level of the test.
    """
    return _count_needed(share_errors(pairs.champion, cap) - share_errors(pairs.challenger, cap), pairs.units, alpha)


def _log_lead(lead: NDArray[np.float64], units: UnitRows, gain: float) -> float:
    """Log of the evidence that the lead is more than ``gain`` in expectation."""
    return add_evidence(units, lead - gain, partial(_bet_on_units, reach=1 + abs(gain)))


def _bet_on_units(units: UnitTotals, reach: float) -> float:
    """Log of the evidence that totals are above 0, of rows whose values lie between -reach and reach."""
    spread = (sum_before(units.total**2 / units.rows) + _PRIOR_SPREAD) / (np.arange(len(units.rows)) + 1.0)
    information = units.rows / spread
    return log_evidence(units.total / spread, information, 1.0, MOST_LOST, MOST_LOST / (reach * information))


def _count_needed(lead: NDArray[np.float64], units: UnitRows, alpha: float) -> int:
    """How many units like these find a true gain of one hundredth of the cap."""
    totals = total_units(units, lead)
    spread = (float(np.sum(totals.total**2 / totals.rows)) + _PRIOR_SPREAD) / (len(totals.rows) + 1)
    return count_units_needed(GAIN, float(np.mean(totals.rows)) / spread, alpha=alpha, cost=log_cost(units))


def _in_units_of_label(found: LiveVerdict, cap: float) -> LiveVerdict:
    """A verdict of shares of the cap, 1 being right, as one of errors."""

    def to_error(right: float | None) -> float | None:
        return None if right is None else (1 - right) * cap

    return replace(
        found,
        metric="mae",
        cap=cap,
        min_gain=found.min_gain * cap,
        champion=to_error(found.champion),
        challenger=to_error(found.challenger),
        low=found.low * cap,
        high=found.high * cap,
    )
