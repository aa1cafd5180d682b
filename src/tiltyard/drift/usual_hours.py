"""Whether a window is like the rows that its training had at the same hours, or on the same weekdays."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from tiltyard.drift.detectors.suite import DriftTest, compare_profiles, decide_tests
from tiltyard.drift.options import DriftOptions
from tiltyard.drift.profiles import Profile, Reference
from tiltyard.drift.profiles.seasons.row_hours import RowHours


def find_usual_hours(
    reference: Reference, window: Profile, drifted: Collection[DriftTest], options: DriftOptions, hours: RowHours
) -> str | None:
    """The season, day or week, whose hours of the training are like a window that drifted from the whole of it.

    The rows of these hours have to differ from the whole training as well: then that is what was to be expected, and
    too few rows do not pass for likeness. All that drifted must be comparable with them.

    Args:
        reference: with its rows by hours and weekdays.
        window: the window's profile.
        drifted: what drifted from the whole reference.
        options: how drift is decided.
        hours: when the window's rows came.
    """
    if reference.seasons is None:
        return None
    wanted = {(test.code, test.subject) for test in drifted}
    for season, usual, between_days in reference.seasons.find_like(hours):
        if usual.rows < options.min_rows:
            continue
        like = replace(reference, profile=usual, dependence=between_days)
        tests = _compare(like, window, options, None)
        if any(test.drifted for test in tests) or not wanted <= {(test.code, test.subject) for test in tests}:
            continue
        if any(test.drifted for test in _compare(reference, usual, options, None)):
            return season
    return None


def _compare(
    reference: Reference, window: Profile, options: DriftOptions, hours: RowHours | None
) -> tuple[DriftTest, ...]:
    made, _ = compare_profiles(reference, window, options, hours)
    return decide_tests(made, options)
