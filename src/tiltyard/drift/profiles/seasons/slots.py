"""The reference by hours of the day and by weekdays: what rows of a night or of a Sunday look like at training."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tiltyard.drift.profiles.blocks import measure_dependence
from tiltyard.drift.profiles.categories import counting_rows
from tiltyard.drift.profiles.dependence import BlockStructure, Dependence, SubjectBlocks
from tiltyard.drift.profiles.profile import Profile
from tiltyard.drift.profiles.rows import RowOrder, Rows, profile_rows
from tiltyard.drift.profiles.schema import Layout
from tiltyard.drift.profiles.seasons.row_hours import RowHours

FEWEST_DAYS = 8
"""Rows of fewer days do not show what is usual at their hours."""

MOST_COLUMNS = 200
"""Of wider tables nothing is kept by hour: the profile would grow to many megabytes."""

_LARGEST_SHARE = 0.5  # of the reference, that the hours of a window may hold: else they are not a season of it
_DAY, _WEEK = 24, 7
_FIRST_WEEKDAY = 3  # 1 January 1970 was a Thursday; 0 is Monday
_SATURDAY = 5
_BLOCKS = 16  # of days, by which a slot is measured
_UNKNOWN = -(10**9)
_KEPT = 16  # sets of hours whose rows are kept in memory

FindSlots = Callable[[NDArray[np.int64]], NDArray[np.int64]]


@dataclass(frozen=True)
class Slot:
    """The reference's rows of one hour or one weekday.

    Attributes:
        days: number of days that they are of.
        rows: how many they are.
        body: their profile, as ``Profile.to_bytes`` writes it, as text.
        between_days: how far the rows of single days differ; None where that was not measured.
    """

    days: int
    rows: int
    body: str
    between_days: BlockStructure | None = None

    def read(self) -> Profile:
        """The profile."""
        return Profile.from_bytes(b64decode(self.body))


@dataclass(frozen=True, eq=False)
class UsualRows:
    """The reference's rows at the hours of a window, or on its weekdays.

    Attributes:
        season: ``day`` for the same hours, ``week`` for the same weekdays.
        profile: of these rows.
        between_days: how far they differ from day to day.
        verdicts: the last verdict whether they differ from all of a reference: that, the options, and the verdict.
    """

    season: str
    profile: Profile
    between_days: Dependence
    verdicts: list[tuple[object, object, bool]] = field(default_factory=list)


@dataclass(frozen=True)
class SeasonProfiles:
    """The reference by hours and weekdays, in UTC; what has no rows is absent.

    Attributes:
        hours: by hour of the day, 0 to 23 on Mondays to Fridays, and 24 to 47 on Saturdays and Sundays.
        weekdays: by day of the week, 0 for Monday.
    """

    hours: Mapping[int, Slot] = field(default_factory=dict)
    weekdays: Mapping[int, Slot] = field(default_factory=dict)

    @cached_property
    def _found(self) -> dict[tuple[str, tuple[int, ...]], UsualRows | None]:
        return {}

    def find_like(self, window: RowHours) -> Iterator[UsualRows]:
        """The reference's rows of the window's hours, and those of its weekdays.

        A model is sent rows of the same hours again and again: what was read last is kept.

        Left out where they are half of the reference or more, and where a slot has rows of fewer than eight days.

        Args:
            window: when its rows came.
        """
        for season, slots, keys in (
            ("day", self.hours, find_hour_slots(window.hours)),
            ("week", self.weekdays, find_weekdays(window.hours)),
        ):
            chosen = season, tuple(sorted(set(keys.tolist())))
            if chosen not in self._found:
                if len(self._found) >= _KEPT:
                    self._found.clear()
                self._found[chosen] = _read_slots(season, slots, chosen[1])
            usual = self._found[chosen]
            if usual is not None:
                yield usual


def _read_slots(season: str, slots: Mapping[int, Slot], keys: Sequence[int]) -> UsualRows | None:
    chosen = [slots.get(key) for key in keys]
    known = [slot for slot in chosen if slot is not None and slot.days >= FEWEST_DAYS]
    total = sum(slot.rows for slot in slots.values())
    if not known or len(known) < len(chosen) or sum(slot.rows for slot in known) > _LARGEST_SHARE * total:
        return None
    return UsualRows(season, _add_up(slot.read() for slot in known), _join_days(known))


def find_hour_slots(hours: NDArray[np.int64]) -> NDArray[np.int64]:
    """The hours of the day of full hours since 1970: 0 to 23, and 24 to 47 at weekends."""
    weekend = find_weekdays(hours) >= _SATURDAY
    return np.asarray(hours % _DAY + _DAY * weekend, np.int64)


def find_weekdays(hours: NDArray[np.int64]) -> NDArray[np.int64]:
    """The days of the week of full hours since 1970, 0 for Monday."""
    return np.asarray((hours // _DAY + _FIRST_WEEKDAY) % _WEEK, np.int64)


def measure_seasons(
    layout: Layout, rows: Rows, held_out: Rows | None = None, names: frozenset[str] = frozenset()
) -> SeasonProfiles | None:
    """The reference by hours and weekdays; None where rows have no clock, and for texts and very wide tables.

    Args:
        layout: the layout of the reference.
        rows: n rows with their times.
        held_out: further rows, from which the numbers and categories of these ``names`` come instead.
    """
    if layout.texts or len(layout.columns) > MOST_COLUMNS or not rows.order.clock or rows.order.times is None:
        return None
    dated = held_out is not None and held_out.order.times is not None
    theirs = _read_hours(held_out.order.times) if held_out is not None and dated else None
    sides = _Sides(rows, _read_hours(rows.order.times), held_out if dated else None, theirs, names)
    return SeasonProfiles(_profile_slots(layout, sides, find_hour_slots), _profile_slots(layout, sides, find_weekdays))


@dataclass(frozen=True)
class _Sides:
    """The rows that taught and those that were held out, with their hours; and what is measured on the latter."""

    rows: Rows
    hours: NDArray[np.int64]
    held_out: Rows | None
    their_hours: NDArray[np.int64] | None
    names: frozenset[str]

    def find_fresh(self, find_slots: FindSlots, slot: int) -> NDArray[np.intp]:
        """The places of the held-out rows of a slot."""
        if self.their_hours is None:
            return np.zeros(0, np.intp)
        return np.flatnonzero((self.their_hours > _UNKNOWN) & (find_slots(self.their_hours) == slot))


def _read_hours(times: NDArray[np.float64] | None) -> NDArray[np.int64]:
    """Full hours since 1970; one in the distant past where it is not known."""
    given = np.asarray(times, np.float64)
    return np.where(np.isfinite(given), np.floor(np.where(np.isfinite(given), given, 0.0)), _UNKNOWN).astype(np.int64)


def _profile_slots(layout: Layout, sides: _Sides, find_slots: FindSlots) -> dict[int, Slot]:
    hours = sides.hours
    known = hours > _UNKNOWN
    slots = np.where(known, find_slots(hours), -1)
    counted = counting_rows(len(hours))
    partial = [name for name, part in layout.categories.items() if not part.whole]
    found = {}
    for slot in np.unique(slots[known]).tolist():
        places = np.flatnonzero(slots == slot)
        profile = profile_rows(layout, sides.rows.take(places))
        if partial:
            profile = profile.with_parts(profile_rows(layout, sides.rows.take(places[counted[places]])), partial)
        fresh = sides.find_fresh(find_slots, slot)
        if sides.names:
            held = None if sides.held_out is None else profile_rows(layout, sides.held_out.take(fresh))
            profile = profile.with_parts(held or Profile.empty(layout), sides.names)
        days = hours[places] // _DAY
        body = b64encode(profile.to_bytes()).decode("ascii")
        found[slot] = Slot(len(np.unique(days)), len(places), body, _compare_days(layout, sides, places, fresh))
    return found


def _compare_days(
    layout: Layout, sides: _Sides, places: NDArray[np.intp], fresh: NDArray[np.intp]
) -> BlockStructure | None:
    """How far the rows of one slot differ from day to day."""
    rows = _with_days(sides.rows, sides.hours, places)
    theirs = None
    if sides.held_out is not None and sides.their_hours is not None and len(fresh):
        theirs = _with_days(sides.held_out, sides.their_hours, fresh)
    found = measure_dependence(layout, rows, theirs, sides.names if theirs is not None else frozenset(), most=_BLOCKS)
    return found.structures[0] if found.structures else None


def _with_days(rows: Rows, hours: NDArray[np.int64], places: NDArray[np.intp]) -> Rows:
    return replace(rows.take(places), order=RowOrder({"day": hours[places] // _DAY}))


def _join_days(slots: Sequence[Slot]) -> Dependence:
    """How far several hours together differ from day to day: as if a day's level were the same in all of them."""
    known = [slot.between_days for slot in slots if slot.between_days is not None]
    if not known:
        return Dependence()
    size = sum(one.size for one in known)
    subjects = {}
    for key in {key for one in known for key in one.subjects}:
        widened = [
            replace(scale, rows=scale.rows * size / one.size, inflation=1 + (scale.inflation - 1) * size / one.size)
            for one in known
            if key in one.subjects
            for scale in one.subjects[key].scales[:1]
        ]
        mean = sum(scale.inflation for scale in widened) / len(widened)
        subjects[key] = SubjectBlocks((replace(min(widened, key=lambda scale: scale.blocks), inflation=mean),))
    return Dependence((BlockStructure("day", "group", max(one.count for one in known), size, 0.0, subjects),))


def _add_up(profiles: Iterator[Profile]) -> Profile:
    total = next(profiles)
    for profile in profiles:
        total = total + profile
    return total
