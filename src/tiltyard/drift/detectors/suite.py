"""Which tests are made of a window's profile against the reference's, and what each of them says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from tiltyard.drift.detectors.categories import ChiSquare, JensenShannon
from tiltyard.drift.detectors.correction import adjust_p_values
from tiltyard.drift.detectors.dependent_rows import dependent_p_value
from tiltyard.drift.detectors.numbers import KolmogorovSmirnov, PopulationStability, Wasserstein
from tiltyard.drift.detectors.proportions import ShareOfRows
from tiltyard.drift.detectors.result import CategoryDetector, NumberDetector, TestResult, share_beyond
from tiltyard.drift.detectors.vocabulary import TermShift
from tiltyard.drift.options import DriftOptions
from tiltyard.drift.profiles import Profile, Reference
from tiltyard.drift.profiles.dependence import EffectiveRows
from tiltyard.drift.profiles.schema import CONFIDENCE, LABEL, PREDICTION, RESIDUAL, SPREAD
from tiltyard.drift.profiles.seasons.row_hours import RowHours
from tiltyard.drift.profiles.texts import MEASURES

NUMBER_DETECTORS: dict[str, NumberDetector] = {
    detector.name: detector for detector in (KolmogorovSmirnov(), PopulationStability(), Wasserstein())
}
CATEGORY_DETECTORS: dict[str, CategoryDetector] = {
    detector.name: detector for detector in (ChiSquare(), JensenShannon())
}

UNKNOWN = f".{MEASURES[-1]}"

_CODES = {
    CONFIDENCE: "drift.score",
    PREDICTION: "drift.prediction",
    LABEL: "drift.label",
    RESIDUAL: "drift.joint",
    SPREAD: "drift.joint",
}


@dataclass(frozen=True)
class DriftTest:
    """One test of a comparison.

    Attributes:
        code: what kind of drift it looks for (``drift.number``).
        subject: the column, measure or prediction that it is about.
        method: the detector's name.
        effect: how far the window is from the reference, in the detector's measure.
        limit: the least effect that is called drift.
        p_value: of this test alone.
        rows: rows of the window, and of the reference.
        adjusted: the p-value corrected for all tests of the comparison.
        drifted: whether the corrected p-value is at most the accepted rate and the effect at least the limit.
        reading: ``drift``; ``difference`` where chance does not explain the effect but it is below the limit; ``alike``
            where it would be drift of independent rows, but groups or periods of the reference differ as much;
            ``chance`` for all else.
        details: what helps to understand it: means, new categories.
    """

    code: str
    subject: str
    method: str
    effect: float
    limit: float
    p_value: float
    rows: tuple[int, int]
    adjusted: float = 1.0
    drifted: bool = False
    reading: Literal["drift", "difference", "alike", "chance"] = "chance"
    details: tuple[tuple[str, Any], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form."""
        own = ("code", "subject", "method", "effect", "limit", "p_value", "adjusted", "drifted", "reading")
        rows, reference_rows = self.rows
        return {name: getattr(self, name) for name in own} | {
            "rows": rows,
            "reference_rows": reference_rows,
            **dict(self.details),
        }


@dataclass(frozen=True)
class UntestedSubject:
    """A subject with too few rows for its test."""

    code: str
    subject: str
    rows: int
    reference_rows: int


def compare_profiles(
    reference: Reference,
    window: Profile,
    options: DriftOptions,
    hours: RowHours | None = None,
    *,
    only: frozenset[str] | None = None,
    explained: bool = True,
) -> tuple[tuple[DriftTest, ...], tuple[UntestedSubject, ...]]:
    """All tests of a window against the reference, not yet corrected for their number; and what had too few rows.

    Where the reference knows how alike rows of one group or period are, so many rows count as their information is
    worth. ``hours`` says when the window's rows came, where that is known. ``only`` leaves out all other subjects.
    Without ``explained`` the details are left out that people read, such as medians: that takes a third of the time.
    """
    made: list[DriftTest] = []
    left: list[UntestedSubject] = []
    for found in _Suite(reference, window, options, hours, only, explained).run():
        (made if isinstance(found, DriftTest) else left).append(found)  # type: ignore[arg-type]
    return tuple(made), tuple(left)


def decide_tests(tests: Sequence[DriftTest], options: DriftOptions) -> tuple[DriftTest, ...]:
    """The tests of one comparison, their p-values corrected for their number, each with its decision."""
    adjusted = adjust_p_values([test.p_value for test in tests], options.correction)
    return tuple(
        _decide_test(test, float(p), options.false_alarm_rate, len(tests))
        for test, p in zip(tests, adjusted, strict=True)
    )


def _decide_test(test: DriftTest, adjusted: float, rate: float, number: int) -> DriftTest:
    large = test.effect >= test.limit
    alone = dict(test.details).get("p_value_if_independent", 1.0)
    reading: Literal["drift", "difference", "alike", "chance"] = "chance"
    if adjusted <= rate:
        reading = "drift" if large else "difference"
    elif large and alone * number <= rate:
        reading = "alike"
    return replace(test, adjusted=adjusted, drifted=reading == "drift", reading=reading)


@dataclass(frozen=True)
class _Suite:
    """The tests of a window against a reference."""

    reference: Reference
    window: Profile
    options: DriftOptions
    hours: RowHours | None
    only: frozenset[str] | None
    explained: bool

    def run(self) -> Iterator[DriftTest | UntestedSubject]:
        layout = self.reference.layout
        for names, test in (
            (layout.numbers, self._test_number),
            (layout.categories, self._test_category),
            (layout.texts, self._test_terms),
        ):
            for name in names:
                if self._is_wanted(name) and not _is_ignored(name, self.options):
                    yield from test(name)

    def _is_wanted(self, name: str) -> bool:
        return self.only is None or display_name(name) in self.only

    def _test_number(self, name: str) -> Iterator[DriftTest | UntestedSubject]:
        layout, options = self.reference.layout.numbers[name], self.options
        before, now = self.reference.profile.numbers[name], self.window.numbers[name]
        subject = display_name(name)
        is_measure = name in self.reference.layout.measures
        code = _CODES.get(name, "drift.text" if is_measure else "drift.number")
        if name == CONFIDENCE and not now.rows:
            return
        if not is_measure and not name.startswith("@"):
            yield from self._test_share(name, "missing", (before.missing, before.rows), (now.missing, now.rows))
            yield from self._test_share(name, "invalid", (before.invalid, before.rows), (now.invalid, now.rows))
        rows = now.present, before.present
        if min(rows) < options.min_rows:
            # A column that is nearly all missing now shows in its missing rate.
            if now.rows and min(before.present, now.rows) >= options.min_rows:
                return
            yield UntestedSubject(code, subject, *rows)
            return
        detector = NUMBER_DETECTORS["ks" if name.startswith("@") else options.numbers]
        if is_measure and name.endswith(UNKNOWN):
            # Fewer unknown words than before are not reported: rows of the training itself have none.
            detector = KolmogorovSmirnov(greater=True)
        if isinstance(detector, KolmogorovSmirnov):
            size = rows[0] * rows[1] / (rows[0] + rows[1])
            outcome = detector.compare_shares(before.shares, now.shares, size)
        else:
            outcome = detector.compare(before.bins, now.bins, layout.centres, layout.scale)
        details: tuple[tuple[str, Any], ...] = ()
        if self.explained:
            details = (
                ("mean", now.mean(layout)),
                ("reference_mean", before.mean(layout)),
                ("median", now.median(layout)),
                ("reference_median", before.median(layout)),
                ("beyond_reference", round(share_beyond(before.shares, now.shares), 6)),
            )
        test = _make_test(code, subject, detector.name, outcome, options.limit(subject), rows, details)
        yield self._weigh(test, outcome, f"number:{name}")

    def _test_category(self, name: str) -> Iterator[DriftTest | UntestedSubject]:
        layout, options = self.reference.layout.categories[name], self.options
        before, now = self.reference.profile.categories[name], self.window.categories[name]
        subject, code = display_name(name), _CODES.get(name, "drift.category")
        if name.startswith("@") and not now.rows:
            return
        if not name.startswith("@"):
            yield from self._test_share(name, "missing", (before.missing, before.rows), (now.missing, now.rows))
        rows = now.present, before.present
        if min(rows) < options.min_rows:
            if now.rows and min(before.present, now.rows) >= options.min_rows:
                return
            yield UntestedSubject(code, subject, *rows)
            return
        if layout.complete and (now.new or layout.singles):
            details = (("new_categories", dict(now.sample)),)
            outcome = ShareOfRows(greater=True).compare((layout.singles, layout.rows), (now.new, now.present))
            limit = options.limit(subject, of_shares=True)
            test = _make_test("drift.new-category", subject, "fisher", outcome, limit, rows, details)
            yield self._weigh(test, outcome, f"category:{name}")
        detector = CATEGORY_DETECTORS[options.categories]
        counts = before.cells(layout), now.cells(layout)
        if min(int(some.sum()) for some in counts) < options.min_rows:
            return
        outcome = detector.compare(*counts)
        shares = (("shares", _largest_moves(layout.named, *counts)),) if self.explained else ()
        test = _make_test(code, subject, detector.name, outcome, options.limit(subject), rows, shares)
        yield self._weigh(test, outcome, f"category:{name}")

    def _test_terms(self, name: str) -> Iterator[DriftTest | UntestedSubject]:
        before, now = self.reference.profile.terms[name], self.window.terms[name]
        rows = now.texts, before.texts
        yield from self._test_share(name, "missing", (before.missing, before.rows), (now.missing, now.rows))
        if min(rows) < self.options.min_rows:
            yield UntestedSubject("drift.terms", name, *rows)
            return
        outcome = TermShift().compare(self.reference.layout.texts[name], before, now)
        test = _make_test("drift.terms", name, TermShift.name, outcome, self.options.limit(name), rows)
        yield self._weigh(test, outcome, f"terms:{name}")

    def _test_share(self, name: str, kind: str, before: tuple[int, int], now: tuple[int, int]) -> Iterator[DriftTest]:
        key = f"{kind}:{name}"
        for test in compare_shares(self.options, display_name(name), f"drift.{kind}", before, now):
            worth = self._find_worth(test, key)
            yield test if worth is None else _weigh_rows(test, ShareOfRows().compare(before, now), worth)

    def _find_worth(self, test: DriftTest, key: str) -> EffectiveRows | None:
        dependence = self.reference.dependence
        return (
            None
            if dependence is None
            else dependence.effective_rows(key, *test.rows, None if self.hours is None else self.hours.span)
        )

    def _weigh(self, test: DriftTest, outcome: TestResult, key: str) -> DriftTest:
        """The test with the p-value of as many independent rows as its rows are worth."""
        worth = self._find_worth(test, key)
        return test if worth is None else _weigh_rows(test, outcome, worth)


def _weigh_rows(test: DriftTest, outcome: TestResult, worth: EffectiveRows) -> DriftTest:
    details = (
        *test.details,
        ("independent_rows", round(worth.window, 1)),
        ("blocks", worth.structure),
        ("p_value_if_independent", test.p_value),
    )
    return replace(test, p_value=dependent_p_value(outcome, worth), details=details)


def compare_shares(
    options: DriftOptions, subject: str, code: str, before: tuple[int, int], now: tuple[int, int]
) -> Iterator[DriftTest]:
    """The test of a share of rows (such as missing ones), each side as (counted, rows); none for too few rows."""
    if min(before[1], now[1]) < options.min_rows or before[0] + now[0] == 0:
        return
    outcome = ShareOfRows().compare(before, now)
    details = (("share", now[0] / now[1]), ("reference_share", before[0] / before[1]))
    limit = options.limit(subject, of_shares=True)
    yield _make_test(code, subject, ShareOfRows.name, outcome, limit, (now[1], before[1]), details)


def _make_test(  # noqa: PLR0913, PLR0917 - the fields of a test
    code: str,
    subject: str,
    method: str,
    outcome: TestResult,
    limit: float,
    rows: tuple[int, int],
    details: tuple[tuple[str, Any], ...] = (),
) -> DriftTest:
    return DriftTest(code, subject, method, outcome.effect, limit, outcome.p_value, rows, details=details)


def display_name(name: str) -> str:
    """A name as people read it."""
    return name.removeprefix("@")


def _is_ignored(name: str, options: DriftOptions) -> bool:
    return display_name(name) in options.ignore or any(name.startswith(f"{ignored}.") for ignored in options.ignore)


def _largest_moves(named: tuple[str, ...], before: Any, now: Any) -> dict[str, list[float]]:
    """The categories whose shares moved most: share in the reference, share in the window."""
    names = (*named, "(others)")
    p, q = before / before.sum(), now / now.sum()
    order = np.argsort(-np.abs(p - q), kind="stable")[:5]
    return {names[place]: [round(float(p[place]), 6), round(float(q[place]), 6)] for place in order.tolist()}
