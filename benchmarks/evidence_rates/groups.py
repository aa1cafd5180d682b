"""Rows that belong together: false promotions, first champions, slices, shadows and intervals, by rows and by groups.

Test rows of 10 to 200 groups of 1 to 50 rows, of equal or of very different sizes. Labels resemble each other within a
group, and so does what each version gets right: a version is good or bad at a group as a whole. "Before" takes each
row for independent of all others; "now" takes the groups. Both versions are drawn alike, so every promotion is false.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd
from benchmarks.evidence_rates.rows import Row, compare_power, make_row, scaled, show_progress
from numpy.typing import NDArray

from tiltyard.evaluation import (
    Interval,
    LabelledPredictions,
    bootstrap,
    compare,
    compare_slices,
    get_metric,
    group_rows,
    label_predictions,
)
from tiltyard.evaluation.intervals import share_interval
from tiltyard.evaluation.resampling.by_group import exchange_tails
from tiltyard.evaluation.sequential_test import PairedRows, UnitRows, evaluate_shadow, evaluate_shadow_units
from tiltyard.project import PromotionSection
from tiltyard.promotion.gates import guess_gate

ALPHA = 0.05
COVERAGE = 0.95
LARGEST = 50  # rows of a group
GROUPS = (10, 20, 50, 200)
CLASSES = ("no", "yes")
NAMES = np.array(CLASSES)
MARGIN = 1.5  # of the true label, on the logistic scale
SPREADS = (0.7, 2.0)  # of a version's margin between groups
BUILDS = ("before", "now")
# Share of groups that are bad for the challenger, its accuracy in these, and what is promised.
UNEVEN = ((0.1, 0.35, ALPHA), (0.02, 0.0, ALPHA), (0.05, 0.0, None))

Pair = tuple[LabelledPredictions, LabelledPredictions]


def measure(scale: float) -> list[Row]:
    """The rows of comparisons by accuracy; about two minutes with ``scale`` 1."""
    return [
        *_measure_promotions("accuracy", scaled(10_000, scale)),
        *_measure_uneven("accuracy", scaled(2_000, scale), (20, 30, 50, 100, 300)),
        *_measure_power(scaled(1_000, scale)),
        *_measure_power_of_groups(scaled(2_000, scale)),
    ]


def measure_more(scale: float) -> list[Row]:
    """The rows of other metrics, first champions, slices, shadows and intervals; about ten minutes with ``scale`` 1."""
    return [
        *_measure_promotions("f1", scaled(2_000, scale)),
        *_measure_promotions("roc_auc", scaled(300, scale)),
        *_measure_uneven("f1", scaled(500, scale), (20, 50)),
        *_measure_first_champions(scaled(1_000, scale)),
        *_measure_slices(scaled(1_000, scale)),
        *_measure_shadow(scaled(400, scale)),
        *_measure_coverage(scaled(2_000, scale), scaled(1_000, scale)),
    ]


def draw_groups(random: np.random.Generator) -> NDArray[np.intp]:
    """The group of each row: of few or many groups, whose sizes differ a little or much."""
    groups = int(random.choice(GROUPS))
    if random.random() < 0.5:
        sizes = random.integers(1, LARGEST + 1, groups)
    else:
        sizes = np.clip(np.exp(random.normal(1.5, 1.2, groups)).astype(int) + 1, 1, LARGEST)
    return np.repeat(np.arange(groups), sizes)


def draw_pair(
    random: np.random.Generator, groups: NDArray[np.intp], *, spread: float | None = None, gain: float = 0.0
) -> Pair:
    """Two versions that are drawn alike, but for the challenger's ``gain`` in margin."""
    count = int(groups.max()) + 1
    truth = (random.normal(0, 2, count)[groups] + random.logistic(size=len(groups)) > 0).astype(int)
    hard = random.normal(0, 1, count)[groups] + random.normal(0, 1, len(groups))
    between = float(random.choice(SPREADS)) if spread is None else spread
    first, second = (
        _predict(
            truth,
            MARGIN + more + hard + random.normal(0, between, count)[groups] + random.normal(0, 1, len(groups)),
            groups,
        )
        for more in (0.0, gain)
    )
    return first, second


def _predict(truth: NDArray[np.int_], margin: NDArray[np.float64], groups: NDArray[np.intp]) -> LabelledPredictions:
    """A version that gives the true label a probability by this margin."""
    true = 1 / (1 + np.exp(-margin))
    positive = np.where(truth == 1, true, 1 - true)
    found = NAMES[(positive > 0.5).astype(int)]
    return label_predictions(NAMES[truth], found, np.column_stack([1 - positive, positive]), CLASSES, clusters=groups)


def by_rows(labelled: LabelledPredictions) -> LabelledPredictions:
    """The same, with each row by itself: what was done before."""
    return replace(labelled, clusters=None)


def promotes(metric: str, pair: Pair, build: str, seed: int = 0) -> bool:
    """Whether the challenger is promoted under ``significant``."""
    champion, challenger = pair if build == "now" else (by_rows(pair[0]), by_rows(pair[1]))
    found = compare(get_metric(metric), champion, challenger, seed=seed)
    return found.difference > 0 and found.p_value < ALPHA


def _count(
    runs: int, about: str, one_run: Callable[[np.random.Generator, int], Sequence[bool]], *, seed: int = 15
) -> list[int]:
    """How many of the runs gave True, by build."""
    random = np.random.default_rng(seed)
    hits = [0, 0]
    for number in show_progress(range(runs), about):
        for build, hit in enumerate(one_run(random, number)):
            hits[build] += hit
    return hits


def _measure_promotions(metric: str, runs: int) -> list[Row]:
    def run(random: np.random.Generator, number: int) -> list[bool]:
        pair = draw_pair(random, draw_groups(random))
        return [promotes(metric, pair, build, number) for build in BUILDS]

    name = f"groups of up to {LARGEST} rows: a false promotion by {metric}"
    hits = _count(runs, name, run)
    return [make_row(name, ALPHA, hit, runs, build) for hit, build in zip(hits, BUILDS, strict=True)]


def draw_uneven(random: np.random.Generator, count: int, bad_share: float, bad: float) -> Pair:
    """Two versions that are equally good, but not alike: the challenger wins a little in most groups, loses in few.

    Args:
        random: where the draws come from.
        count: number of groups, of 20 rows each.
        bad_share: chance of a group to be bad for the challenger.
        bad: the challenger's accuracy in these; in the others it is such that both versions have 0.8 on the average.
    """
    groups = np.repeat(np.arange(count), 20)
    truth = random.integers(0, 2, len(groups))
    good = (0.8 - bad_share * bad) / (1 - bad_share)
    level = np.where(random.random(count) < bad_share, bad, good)
    challenger = random.random(len(groups)) < level[groups]
    champion = random.random(len(groups)) < 0.8
    first, second = (
        label_predictions(NAMES[truth], NAMES[np.where(right, truth, 1 - truth)], None, CLASSES, clusters=groups)
        for right in (champion, challenger)
    )
    return first, second


def _measure_uneven(metric: str, runs: int, counts: Sequence[int]) -> list[Row]:
    rows = []
    for (share, bad, promised), count in product(UNEVEN, counts):

        def run(
            random: np.random.Generator, number: int, count: int = count, share: float = share, bad: float = bad
        ) -> list[bool]:
            pair = draw_uneven(random, count, share, bad)
            return [promotes(metric, pair, build, number) for build in BUILDS]

        name = f"{count} groups of 20 rows, equally good, challenger has {bad} in {share:.0%} of groups: by {metric}"
        hits = _count(runs, name, run, seed=94)
        rows += [make_row(name, promised, hit, runs, build) for hit, build in zip(hits, BUILDS, strict=True)]
    return rows


def _measure_power_of_groups(runs: int) -> list[Row]:
    """A true gain in groups: next to what the exchange of groups alone finds."""

    def run(random: np.random.Generator, _number: int) -> list[bool]:
        groups = np.repeat(np.arange(50), 20)
        champion, challenger = draw_pair(random, groups, spread=SPREADS[0], gain=0.6)
        right, theirs = (one.truth == one.predicted_codes for one in (champion, challenger))
        leads = np.bincount(groups, weights=theirs.astype(np.int64) - right).astype(np.int64)
        exchanged = exchange_tails(leads)[0] < ALPHA and leads.sum() > 0
        return [bool(exchanged), promotes("accuracy", (champion, challenger), "now")]

    name = "50 groups of 20 rows: a true gain found by accuracy (before: by the exchange of groups alone)"
    before, now = _count(runs, name, run, seed=95)
    return compare_power(name, before, now, runs)


def draw_noise(random: np.random.Generator, groups: NDArray[np.intp]) -> LabelledPredictions:
    """A version that does not know its rows, and predicts alike within a group."""
    count = int(groups.max()) + 1
    truth = (random.normal(0, 3, count)[groups] + random.logistic(size=len(groups)) > 0).astype(int)
    score = 1 / (1 + np.exp(-random.normal(0, 3, count)[groups] - random.normal(0, 1, len(groups))))
    found = NAMES[(score > 0.5).astype(int)]
    return label_predictions(NAMES[truth], found, np.column_stack([1 - score, score]), CLASSES, clusters=groups)


def becomes_first(metric: str, labelled: LabelledPredictions, build: str) -> bool:
    """Whether a version becomes the first champion, with all of alpha for this decision."""
    one = labelled if build == "now" else by_rows(labelled)
    return guess_gate(PromotionSection(alpha=ALPHA), metric, one, 0).passed


def _measure_first_champions(runs: int) -> list[Row]:
    rows = []
    for metric, most in (("accuracy", runs), ("roc_auc", max(20, runs // 5))):

        def run(random: np.random.Generator, _number: int, metric: str = metric) -> list[bool]:
            noise = draw_noise(random, draw_groups(random))
            return [becomes_first(metric, noise, build) for build in BUILDS]

        name = f"groups of up to {LARGEST} rows: noise becomes the first champion by {metric}"
        hits = _count(most, name, run)
        rows += [make_row(name, ALPHA, hit, most, build) for hit, build in zip(hits, BUILDS, strict=True)]
    return rows


def _measure_slices(runs: int) -> list[Row]:
    def run(random: np.random.Generator, _number: int) -> list[bool]:
        groups = draw_groups(random)
        pair = draw_pair(random, groups)
        places = random.integers(0, 4, int(groups.max()) + 1)[groups]
        columns = [
            pd.Series(places.astype(str), name="place"),
            pd.Series(random.integers(0, 3, len(groups)).astype(str)),
        ]
        groupings = [group_rows(column) for column in columns]
        refused = []
        for build in BUILDS:
            first, second = pair if build == "now" else (by_rows(pair[0]), by_rows(pair[1]))
            compared, _ = compare_slices(first, second, groupings)
            refused.append(any(one.difference < 0 and one.adjusted < ALPHA for one in compared))
        return refused

    name = f"groups of up to {LARGEST} rows: a false refusal by a slice"
    hits = _count(runs, name, run)
    return [make_row(name, ALPHA, hit, runs, build) for hit, build in zip(hits, BUILDS, strict=True)]


def _measure_shadow(runs: int) -> list[Row]:
    """Two versions predict in shadow; groups come again and again, and the labels are evaluated 12 times."""

    def run(random: np.random.Generator, _number: int) -> list[bool]:
        groups = draw_groups(random)
        champion, challenger = draw_pair(random, groups)
        order = random.permutation(len(groups))
        right, theirs = ((one.truth == one.predicted_codes)[order] for one in (champion, challenger))
        groups = groups[order]
        wins = [False, False]
        for rows in np.unique(np.linspace(len(order) / 12, len(order), 12).astype(int)):
            mine, other = right[:rows], theirs[:rows]
            pairs = ((mine & other), (mine & ~other), (~mine & other), (~mine & ~other))
            counts = tuple(int(np.sum(one)) for one in pairs)
            wins[0] |= evaluate_shadow(*counts, alpha=ALPHA).decision == "challenger wins"
            lead = other.astype(np.int64) - mine
            units = UnitRows.from_names([f"c{group}" for group in groups[:rows]], [1] * int(rows), "c")
            found = evaluate_shadow_units(
                (counts[0], counts[1], counts[2], counts[3]), PairedRows(lead, units), alpha=ALPHA
            )
            wins[1] |= found.decision == "challenger wins"
        return wins

    name = f"groups of up to {LARGEST} rows: a false win in shadow, at any of 12 evaluations"
    hits = _count(runs, name, run)
    return [make_row(name, ALPHA, hit, runs, build) for hit, build in zip(hits, BUILDS, strict=True)]


def _measure_coverage(runs: int, few_runs: int) -> list[Row]:
    spread = SPREADS[1]
    many = np.repeat(np.arange(40_000), 10)
    large, _ = draw_pair(np.random.default_rng(1), many, spread=spread)
    accuracy, f1 = (get_metric(name).compute(large) for name in ("accuracy", "f1"))
    rows = []
    kinds: tuple[tuple[str, int, Callable[[Pair], Interval], float], ...] = (
        ("accuracy", runs, _accuracy_interval, accuracy),
        ("F1", few_runs, _f1_interval, f1),
        ("a difference of accuracies", runs, _difference_interval, 0.0),
    )
    for kind, most, interval, true in kinds:

        def run(
            random: np.random.Generator,
            _number: int,
            interval: Callable[[Pair], Interval] = interval,
            true: float = true,
        ) -> list[bool]:
            pair = draw_pair(random, draw_groups(random), spread=spread)
            found = (interval((by_rows(pair[0]), by_rows(pair[1]))), interval(pair))
            return [one.low <= true <= one.high for one in found]

        name = f"groups of up to {LARGEST} rows: the interval of {kind} holds the true value"
        hits = _count(most, name, run)
        rows += [make_row(name, COVERAGE, hit, most, build) for hit, build in zip(hits, BUILDS, strict=True)]
    return rows


def _accuracy_interval(pair: Pair) -> Interval:
    return share_interval(pair[0].truth == pair[0].predicted_codes, pair[0].clusters)


def _f1_interval(pair: Pair) -> Interval:
    return bootstrap(get_metric("f1"), pair[0]) or Interval(0.0, 1.0)


def _difference_interval(pair: Pair) -> Interval:
    found = compare(get_metric("accuracy"), *pair)
    return Interval(found.low, found.high)


def _measure_power(runs: int) -> list[Row]:
    """Independent rows: each is a separate group, and the test is the same as without groups."""

    def run(random: np.random.Generator, _number: int) -> list[bool]:
        pair = draw_pair(random, np.arange(1000), gain=0.3)
        return [promotes("accuracy", pair, build) for build in BUILDS]

    name = "1,000 groups of one row: a true gain found by accuracy"
    before, now = _count(runs, name, run)
    return compare_power(name, before, now, runs)
