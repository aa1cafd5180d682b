"""Changes that come back: a window that is like the same hours of a day, a week or a year before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from tiltyard.drift.findings import DriftEvaluation, add_note, evaluate_drift, note_season
from tiltyard.drift.options import DriftOptions
from tiltyard.drift.profiles import Profile, Reference
from tiltyard.drift.profiles.seasons.row_hours import RowHours

Period = tuple[datetime, datetime]
Sent = tuple[Profile, RowHours | None]
"""The profile of a window, and when its rows came."""

_SEASONS = {"day": timedelta(days=1), "week": timedelta(days=7), "year": timedelta(days=364)}
_LONGEST_PART = 0.5  # of a season, that a window may cover


def explain_by_season(
    evaluation: DriftEvaluation,
    reference: Reference,
    window: Sent,
    period: Period,
    read_window: Callable[[Period], Sent],
    options: DriftOptions,
) -> DriftEvaluation:
    """The evaluation, with what earlier windows of the same model say of it.

    Drift is a season where the same hours a day, a week or a year (52 weeks) before do not differ from the window, and
    those halfway between do: it went and came back. Then it is information, no alarm. Where nothing drifted and the
    window before did, the change has gone back.

    Args:
        evaluation: of the window against the reference.
        reference: with the dependence of its rows, which is taken to be that of earlier windows too.
        window: the window's profile, and when its rows came.
        period: its begin and end.
        read_window: gives those of an earlier period.
        options: how drift is decided.
    """

    def differs(earlier: Period, *, training: bool = False) -> bool | None:
        """Whether the window differs from an earlier one, or that one from the training; None where it is unknown."""
        past = read_window(earlier)
        known = reference if training else replace(reference, profile=past[0])
        compared, hours = past if training else window
        verdict = evaluate_drift(known, compared, options, hours=hours).verdict
        if verdict.status == "could_not_judge":
            return None
        # What is usual at its hours did not drift.
        return verdict.is_found and "season" not in verdict.evidence

    if evaluation.verdict.status == "clear":
        before = period[0] - (period[1] - period[0]), period[0]
        return add_note(evaluation, _GONE_BACK) if differs(before, training=True) else evaluation
    if not evaluation.drifted or "season" in evaluation.verdict.evidence:
        return evaluation
    for season, lag in _list_seasons(period):
        before = _shift(period, lag)
        # That those hours had drifted too is what makes it a season: too few rows then do not show likeness.
        if differs(before) is False and differs(before, training=True) and differs(_shift(period, lag / 2)):
            return note_season(evaluation, season, _CAME_BACK.format(season=season), _ALL_SEASONS)
    return evaluation


_CAME_BACK = "The same hours a {season} before were like these, and those halfway between were not: it is a season."
_ALL_SEASONS = "Train on rows of all seasons, so that this one is expected: tiltyard retrain"
_GONE_BACK = "The window before this one had drifted: that change has gone back."


def _list_seasons(period: Period) -> Iterator[tuple[str, timedelta]]:
    length = period[1] - period[0]
    return ((season, lag) for season, lag in _SEASONS.items() if length <= lag * _LONGEST_PART)


def _shift(period: Period, lag: timedelta) -> Period:
    return period[0] - lag, period[1] - lag
