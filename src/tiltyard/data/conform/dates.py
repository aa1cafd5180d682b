"""What a cell of a date column says: a day and time at microseconds, in the zone of the project (UTC by default)."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tiltyard.data.conform.cells import is_gap
from tiltyard.data.conform.labels import factorise_cells
from tiltyard.data.conform.rules import USUAL_RULES, ReadingRules

Moments = NDArray[np.datetime64]

_CLOCK = r"(?:[T ](?P<clock>\d{2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?) ?(?P<zone>Z|z|UTC|[+-]\d{2}(?::?\d{2})?)?)?"
_ISO = re.compile(r"(?P<date>\d{4}-\d{2}-\d{2})" + _CLOCK, re.ASCII)
_ORDERED = re.compile(
    r"(?P<first>\d{1,2})(?P<mark>[./-])(?P<second>\d{1,2})(?P=mark)(?P<year>\d{4})" + _CLOCK, re.ASCII
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def looks_like_date(word: str, rules: ReadingRules = USUAL_RULES) -> bool:
    """Whether a word has the form of a date, be there such a day or not: ISO 8601, or as the rules say."""
    if _ISO.fullmatch(word):
        return True
    if rules.dates in ("day-first", "month-first"):
        return _ORDERED.fullmatch(word) is not None
    return rules.dates != "iso" and _parse_format(word, rules.dates) is not None


def parse_moment(raw: Any, rules: ReadingRules = USUAL_RULES) -> datetime | None:
    """The day and time that a cell says, at microseconds; None where it says none.

    It is what a clock in ``rules.timezone`` shows (UTC by default), and carries the zone UTC only to be counted: a time
    with another zone is converted, one without stays as it is, so that a plain day never moves to the day before.

    Texts are ISO 8601 with or without time, fraction and zone, and what ``rules.dates`` says; digits beyond
    microseconds are cut. Dates and times of Python, NumPy and pandas are read alike.
    """
    try:
        moment = _parse_text(raw.strip(), rules) if isinstance(raw, str) else _to_datetime(raw)
        return None if moment is None else _to_utc(moment, rules)
    except (ValueError, OverflowError):  # no such day, or beyond the years 1 to 9999
        return None


def count_micros(moment: datetime) -> float:
    """Microseconds since 1970 of an instant with a zone: exact as float64 from 1684 to 2255."""
    passed = moment - _EPOCH
    return float((passed.days * 86_400 + passed.seconds) * 1_000_000 + passed.microseconds)


def read_moments(column: pd.Series, rules: ReadingRules = USUAL_RULES) -> tuple[Moments, NDArray[np.bool_]]:
    """n days and times (``datetime64[us]``), NaT where there is none, and n booleans: cells that are no date."""
    if pd.api.types.is_datetime64_any_dtype(column.dtype) and not isinstance(column.dtype, pd.ArrowDtype):
        return _localise(column, rules), np.zeros(len(column), dtype=np.bool_)
    codes, cells = factorise_cells(column)
    gaps = np.array([*(is_gap(cell, rules.gap_words) for cell in cells), True], dtype=np.bool_)
    read = [None if gap else parse_moment(cell, rules) for cell, gap in zip(cells, gaps.tolist(), strict=False)]
    plain = [None if moment is None else moment.replace(tzinfo=None) for moment in read]
    moments = np.array([*plain, None], dtype="datetime64[us]")
    return moments[codes], (np.isnat(moments) & ~gaps)[codes]


def _localise(column: pd.Series, rules: ReadingRules) -> Moments:
    moments = column
    if moments.dt.tz is not None:
        moments = moments.dt.tz_convert(rules.timezone or "UTC").dt.tz_localize(None)
    found: Moments = moments.dt.floor("us").to_numpy(dtype="datetime64[us]")
    return found


def _to_datetime(raw: Any) -> datetime | None:
    if isinstance(raw, pd.Timestamp | np.datetime64):
        moment = pd.Timestamp(raw)
        return None if pd.isna(moment) else moment.floor("us").to_pydatetime()
    if isinstance(raw, datetime):
        return raw
    return datetime(raw.year, raw.month, raw.day) if isinstance(raw, date) else None  # noqa: DTZ001


def _parse_text(text: str, rules: ReadingRules) -> datetime | None:
    if (found := _ISO.fullmatch(text)) is not None:
        return _join(found["date"], found)
    if rules.dates in ("day-first", "month-first"):
        if (found := _ORDERED.fullmatch(text)) is None:
            return None
        day, month = found["first"], found["second"]
        if rules.dates == "month-first":
            day, month = month, day
        return _join(f"{found['year']}-{int(month):02}-{int(day):02}", found)
    return None if rules.dates == "iso" else _parse_format(text, rules.dates)


def _join(day: str, found: re.Match[str]) -> datetime:
    clock, zone = found["clock"] or "00:00", (found["zone"] or "").replace("UTC", "Z").upper()
    return datetime.fromisoformat(f"{day}T{clock.replace(',', '.')}{zone}")


def _parse_format(text: str, pattern: str) -> datetime | None:
    try:
        return datetime.strptime(text, pattern)  # noqa: DTZ007 - the zone follows
    except ValueError:
        return None


def _to_utc(moment: datetime, rules: ReadingRules) -> datetime:
    if moment.tzinfo is None:
        return moment.replace(tzinfo=UTC)
    return moment.astimezone(_find_zone(rules.timezone)).replace(tzinfo=UTC)


@lru_cache(maxsize=16)
def _find_zone(name: str | None) -> Any:
    return UTC if name is None else ZoneInfo(name)
