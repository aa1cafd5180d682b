"""Both versions predicted the same labelled inputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tiltyard.evaluation.sequential_test.bets import MOST_LOST, find_upper_bound, log_evidence, sum_before
from tiltyard.evaluation.sequential_test.mixture import (
    compute_paired_evidence,
    log_evidence_above,
    lower_rate_bound,
    upper_rate_bound,
)
from tiltyard.evaluation.sequential_test.power import count_pairs_needed, count_units_needed
from tiltyard.evaluation.sequential_test.units import UnitRows, UnitTotals, add_evidence, log_cost, total_units
from tiltyard.evaluation.sequential_test.verdict import GAIN, LiveVerdict, bounded_exp, check_options, choose_decision

# Sizes of bets for which the mixture is summed up.
_NODES = 64
# Variance of a row's lead before any unit was seen.
_PRIOR_SPREAD = 0.2


@dataclass(frozen=True)
class PairedRows:
    """Labelled inputs of units that two versions predicted, in the order in which their labels came.

    Attributes:
        lead: of n rows: 1 where the challenger alone is right, -1 where the champion alone is, else 0.
        units: the unit of each row.
    """

    lead: NDArray[np.int64]
    units: UnitRows


def evaluate_shadow(
    both_right: int,
    only_champion_right: int,
    only_challenger_right: int,
    both_wrong: int,
    *,
    alpha: float = 0.05,
    min_gain: float = 0.005,
) -> LiveVerdict:
    """Evaluate two versions that predicted the same n labelled inputs, each of which is a request by itself.

    Only rows count on which one alone is right. If the challenger is not better, each of them falls to it with a
    probability of at most a half; a mixture of likelihood ratios against a half, with Jeffreys' weights on what is
    more than a half, is then a non-negative supermartingale: ever passing 1 / alpha has a probability of at most alpha
    (Ville, 1939; Robbins, Annals of Mathematical Statistics 41, 1970; Ramdas et al., Statistical Science 38, 2023).
    The difference is the share of such rows times how one-sided they are; its bounds join bounds of the two.

    Raises:
        UsageError: a count or ``min_gain`` is negative, or alpha is not between 0 and 0.5.
    """
    counts = (both_right, only_champion_right, only_challenger_right, both_wrong)
    check_options(counts, alpha, min_gain)
    rows = sum(counts)
    evidence = _Evidence(
        compute_paired_evidence(only_challenger_right, only_champion_right),
        compute_paired_evidence(only_champion_right, only_challenger_right),
        -_difference_bound(only_champion_right, only_challenger_right, rows, alpha),
        _difference_bound(only_challenger_right, only_champion_right, rows, alpha),
        rows,
        count_pairs_needed(GAIN, (only_champion_right + only_challenger_right) / rows, alpha=alpha) if rows else None,
    )
    return _make_verdict(counts, evidence, alpha, min_gain)


def evaluate_shadow_units(
    counts: tuple[int, int, int, int], units: PairedRows, *, alpha: float = 0.05, min_gain: float = 0.005
) -> LiveVerdict:
    """Evaluate two versions that predicted the same labelled inputs, of which some share a request or a caller.

    Rows of one request or caller are not independent. Of each such unit the bet is on its rows together: how many more
    of them fall to the challenger than to the champion, linear up to two and a half standard deviations by the units
    before. That takes for granted that units are independent of each other, and nothing about the rows of a unit.
    Rows that are a request by themselves count as in ``evaluate_shadow``.

    Args:
        counts: all inputs, by who is right: both, the champion alone, the challenger alone, neither.
        units: those of them that share a unit.
        alpha: most that the chance may be of ever reporting ``challenger wins`` for one that is not better.
        min_gain: a gain of accuracy smaller than this is not worth waiting for.

    Raises:
        UsageError: a count or ``min_gain`` is negative, or alpha is not between 0 and 0.5.
    """
    check_options(counts, alpha, min_gain)
    rows, lead = sum(counts), units.lead
    # Labels may have come between counting the rows and listing those of units: never less than none.
    won, lost = max(counts[2] - int(np.sum(lead > 0)), 0), max(counts[1] - int(np.sum(lead < 0)), 0)
    even = max(rows - len(lead) - won - lost, 0)
    mine, theirs = _Paired(won, lost, even, lead, units.units), _Paired(lost, won, even, -lead, units.units)
    observed = (counts[2] - counts[1]) / rows if rows else 0.0
    evidence = _Evidence(
        bounded_exp(_log_evidence(mine, 0.0)),
        bounded_exp(_log_evidence(theirs, 0.0)),
        -find_upper_bound(lambda gain: _log_evidence(mine, -gain), -observed, alpha),
        find_upper_bound(lambda gain: _log_evidence(theirs, -gain), observed, alpha),
        won + lost + even + len(np.unique(units.units.unit)),
        _count_needed(mine, alpha) if rows else None,
    )
    return _make_verdict(counts, evidence, alpha, min_gain)


def count_paired_units_needed(lead: NDArray[np.int64], units: UnitRows | None, gain: float, *, alpha: float) -> int:
    """How many units like these find a true gain of one of two versions that predict the same rows.

    Args:
        lead: of n rows, at least one: 1 where one version alone is right, -1 where the other is, else 0.
        units: the unit of each row; None: each row is one.
        gain: the true gain of accuracy, above 0.
        alpha: level of the test.
    """
    if units is None:
        return count_pairs_needed(gain, float(np.mean(lead != 0)), alpha=alpha)
    totals = total_units(units, lead.astype(np.float64))
    spread = (float(np.sum(totals.total**2 / totals.rows)) + _PRIOR_SPREAD) / (len(totals.rows) + 1)
    return count_units_needed(gain, float(np.mean(totals.rows)) / spread, alpha=alpha, cost=log_cost(units))


def compute_paired_unit_evidence(units: PairedRows) -> float:
    """Evidence that the challenger is right more often than the champion, by units; see ``evaluate_shadow_units``."""
    return bounded_exp(_log_evidence(_Paired(0, 0, 0, units.lead, units.units), 0.0))


class _Evidence(NamedTuple):
    """Evidence for the challenger and against it, the bounds of its gain, the units, and how many find a gain."""

    e_value: float
    against: float
    low: float
    high: float
    units: int
    needed: int | None


def _make_verdict(counts: tuple[int, int, int, int], evidence: _Evidence, alpha: float, min_gain: float) -> LiveVerdict:
    both_right, only_champion_right, only_challenger_right, _ = counts
    rows = sum(counts)
    return LiveVerdict(
        decision=choose_decision(evidence.e_value, evidence.against, evidence.high, alpha, min_gain),
        mode="shadow",
        alpha=alpha,
        min_gain=min_gain,
        champion=(both_right + only_champion_right) / rows if rows else None,
        challenger=(both_right + only_challenger_right) / rows if rows else None,
        champion_rows=rows,
        challenger_rows=rows,
        e_value=evidence.e_value,
        low=evidence.low,
        high=evidence.high,
        champion_units=evidence.units,
        challenger_units=evidence.units,
        units_needed=evidence.needed,
    )


class _Paired(NamedTuple):
    """Rows on which the side that may be better is alone right, the other is, or neither; and the rows of units."""

    won: int
    lost: int
    even: int
    lead: NDArray[np.int64]
    units: UnitRows


def _log_evidence(rows: _Paired, gain: float) -> float:
    """Log of the evidence that the first side is right more often, by more than ``gain``."""
    single = _log_single_rows(rows, gain) if gain else log_evidence_above(0.5, rows.won, rows.lost)
    return single + add_evidence(rows.units, (rows.lead - gain).astype(np.float64), _bet_on_units)


def _bet_on_units(units: UnitTotals) -> float:
    """Log of the evidence of units of which each counts once, that their totals are more than 0."""
    spread = (sum_before(units.total**2 / units.rows) + _PRIOR_SPREAD) / (np.arange(len(units.rows)) + 1.0)
    return log_evidence(units.total / spread, units.rows / spread, 1.0, MOST_LOST)


def _log_single_rows(rows: _Paired, gain: float) -> float:
    """Log of the mixture of bets of constant size, by Jeffreys' weights, on rows less ``gain``."""
    size = np.cos((np.arange(_NODES) + 0.5) / _NODES * np.pi / 2) / (1 + abs(gain))
    won, lost, even = np.log1p(size * (1 - gain)), np.log1p(-size * (1 + gain)), np.log1p(-size * gain)
    return float(np.logaddexp.reduce(rows.won * won + rows.lost * lost + rows.even * even) - np.log(_NODES))


def _count_needed(rows: _Paired, alpha: float) -> int:
    """How many units find a true gain of one point, of those that are a request by themselves and of the others."""
    alone = np.repeat(np.array([1, -1, 0], dtype=np.int64), [rows.won, rows.lost, rows.even])
    if not len(rows.lead):
        return count_paired_units_needed(alone, None, GAIN, alpha=alpha)
    first = int(rows.units.unit.max()) + 1
    units = UnitRows(
        np.concatenate([rows.units.unit, first + np.arange(len(alone))]),
        np.concatenate([rows.units.is_caller, np.zeros(len(alone), dtype=bool)]),
        np.concatenate([rows.units.size, np.ones(len(alone), dtype=np.int64)]),
    )
    return count_paired_units_needed(np.concatenate([rows.lead, alone]), units, GAIN, alpha=alpha)


def _difference_bound(mine: int, others: int, rows: int, alpha: float) -> float:
    """An upper bound of the share of rows that fall to one side alone less that of the other side."""
    if not rows:
        return 1.0
    lead = 2 * upper_rate_bound(mine, others, alpha / 2) - 1
    apart = mine + others
    share = (
        upper_rate_bound(apart, rows - apart, alpha / 2)
        if lead > 0
        else lower_rate_bound(apart, rows - apart, alpha / 2)
    )
    return lead * share
