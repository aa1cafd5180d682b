"""Whether a window is like the rows that its training had at the same hours, or on the same weekdays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tiltyard.drift.detectors.correction import adjust_p_values
from tiltyard.drift.detectors.suite import DriftTest, compare_profiles
from tiltyard.drift.options import DriftOptions
from tiltyard.drift.profiles import Profile, Reference
from tiltyard.drift.profiles.seasons.row_hours import RowHours
from tiltyard.drift.profiles.seasons.slots import UsualRows


def find_usual_hours(
    reference: Reference, window: Profile, tests: Sequence[DriftTest], options: DriftOptions, hours: RowHours
) -> str | None:
    """The season, day or week, whose hours of the training are like a window that drifted from the whole of it.

    The rows of these hours have to differ from the whole training as well: then that is what was to be expected, and
    too few rows do not pass for likeness. All that drifted must be comparable with them.

    Args:
        reference: with its rows by hours and weekdays.
        window: the window's profile.
        tests: those of the window against the whole reference, of which some drifted.
        options: how drift is decided.
        hours: when the window's rows came.
    """
    if reference.seasons is None:
        return None
    drifted = sorted((test for test in tests if test.drifted), key=lambda test: (test.adjusted, -test.effect))
    wanted = {(test.code, test.subject) for test in drifted}
    for usual in reference.seasons.find_like(hours):
        if usual.profile.rows < options.min_rows:
            continue
        like = replace(reference, profile=usual.profile, dependence=usual.between_days)
        if _has_moved(like, window, drifted[0].subject, options, len(tests)):
            continue
        made = _compare(like, window, options)
        if _any_drifted(made, options) or not wanted <= {(test.code, test.subject) for test in made}:
            continue
        if _differs(reference, usual, options):
            return usual.season
    return None


def _has_moved(like: Reference, window: Profile, subject: str, options: DriftOptions, number: int) -> bool:
    """Whether one subject suffices to see that a window is not like its hours: the quick way for true drift.

    A p-value of at most the accepted rate over the number of all tests stays within it by each correction.
    """
    made, _ = compare_profiles(like, window, options, only=frozenset({subject}), explained=False)
    return any(test.effect >= test.limit and test.p_value * number <= options.false_alarm_rate for test in made)


def _differs(reference: Reference, usual: UsualRows, options: DriftOptions) -> bool:
    """Whether these hours differ from all of the reference: the same for every window, so the verdict is kept."""
    for known, wanted, verdict in usual.verdicts:
        if known is reference and wanted == options:
            return verdict
    verdict = _any_drifted(_compare(reference, usual.profile, options), options)
    usual.verdicts[:] = [(reference, options, verdict)]
    return verdict


def _any_drifted(tests: Sequence[DriftTest], options: DriftOptions) -> bool:
    adjusted = adjust_p_values([test.p_value for test in tests], options.correction).tolist()
    return any(
        p <= options.false_alarm_rate and test.effect >= test.limit for test, p in zip(tests, adjusted, strict=True)
    )


def _compare(reference: Reference, window: Profile, options: DriftOptions) -> tuple[DriftTest, ...]:
    return compare_profiles(reference, window, options, explained=False)[0]
