"""What a cell of a date column says: a day and time at microseconds, in the zone of the project (UTC by default)."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from tiltyard.data.conform.cells import is_gap, is_pandas_time, write_category
from tiltyard.data.conform.labels import factorise_cells
from tiltyard.data.conform.rules import USUAL_RULES, ReadingRules

if TYPE_CHECKING:
    import pandas as pd

Moments = NDArray[np.datetime64]

_ZONE = r"(?: ?(?P<zone>[Zz]|UTC|GMT|[+-]\d{2}(?::?\d{2})?)(?: [A-Z]{3,5})?)?"
_HALF = r"(?:[ \u00a0\u202f]?(?P<half>[AaPp])[Mm])?"
_CLOCK = r"(?:[Tt ](?P<clock>\d{2}|\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?)" + _HALF + _ZONE + r"|[Zz]|[+-]\d{2}:\d{2})?"
_ISO = re.compile(r"(?P<date>\d{4}-\d{2}-\d{2})" + _CLOCK, re.ASCII)
_BASIC = re.compile(r"(?P<date>\d{8})(?:[Tt](?P<clock>\d{2}(?:\d{2}(?:\d{2}(?:[.,]\d+)?)?)?)" + _ZONE + ")?", re.ASCII)
_ORDERED = re.compile(
    r"(?P<first>\d{1,2})(?P<mark>[./-])(?P<second>\d{1,2})(?P=mark)(?P<year>\d{4})" + _CLOCK, re.ASCII
)
_DIGITS = 8
"""Digits of a plain day in ISO's basic form: 20240131."""
_NOON = 12
_EXAMPLE = datetime(2026, 1, 31, 10, 30, tzinfo=UTC)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def looks_like_date(word: str, rules: ReadingRules = USUAL_RULES) -> bool:
    """Whether a word has the form of a date, be there such a day or not: ISO 8601, or as the rules say.

    Eight digits (``20240131``) may be anything: they are a date only in a column of dates, or where the rules say so.
    """
    if _ISO.fullmatch(word) or (not word.isdigit() and _BASIC.fullmatch(word)):
        return True
    if rules.dates in ("day-first", "month-first"):
        return _ORDERED.fullmatch(word) is not None
    return rules.dates != "iso" and _parse_format(word, rules.dates) is not None


def describe_orders(rules: ReadingRules = USUAL_RULES) -> str:
    """The ways of writing a date that the rules read, each with an example."""
    shapes = {"day-first": "day first (31.01.2026)", "month-first": "month first (01/31/2026)"}
    if rules.dates == "iso":
        return "ISO 8601 (2026-01-31)"
    other = shapes.get(rules.dates) or f"{rules.dates} ({_EXAMPLE.strftime(rules.dates)})"
    return f"ISO 8601 (2026-01-31) or {other}"


def is_bare_day(word: str) -> bool:
    """Whether a word is a day in eight digits (``20240131``), a date among dates and a number among numbers."""
    return len(word) == _DIGITS and word.isdigit() and parse_moment(word) is not None


def parse_moment(raw: Any, rules: ReadingRules = USUAL_RULES) -> datetime | None:
    """The day and time that a cell says, at microseconds; None where it says none.

    It is what a clock in ``rules.timezone`` shows (UTC by default), and carries the zone UTC only to be counted: a time
    with another zone is converted, one without stays as it is, so that a plain day never moves to the day before.

    Texts are ISO 8601 with or without time, fraction and zone, and what ``rules.dates`` says; digits beyond
    microseconds are cut, and the zone of a day without a time is. A whole number is its digits (20240131). Dates and
    times of Python, NumPy and pandas are read alike.
    """
    moment = parse_instant(raw, rules)
    try:
        return None if moment is None else _to_utc(moment, rules)
    except OverflowError:  # beyond the years 1 to 9999
        return None


def parse_instant(raw: Any, rules: ReadingRules = USUAL_RULES) -> datetime | None:
    """The same as it is written: with its own zone, or without one where the cell names none."""
    try:
        text = raw.strip() if isinstance(raw, str) else _write_digits(raw)
        return _to_datetime(raw) if text is None else _parse_text(text, rules)
    except (ValueError, OverflowError):  # no such day, or beyond the years 1 to 9999
        return None


def count_micros(moment: datetime) -> float:
    """Microseconds since 1970 of an instant with a zone: exact as float64 from 1684 to 2255."""
    passed = moment - _EPOCH
    return float((passed.days * 86_400 + passed.seconds) * 1_000_000 + passed.microseconds)


def read_moments(column: pd.Series, rules: ReadingRules = USUAL_RULES) -> tuple[Moments, NDArray[np.bool_]]:
    """n days and times (``datetime64[us]``), NaT where there is none, and n booleans: cells that are not dates."""
    import pandas as pd  # noqa: PLC0415 - a server that predicts has no other use for it

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


def _write_digits(raw: Any) -> str | None:
    return write_category(raw) if isinstance(raw, int | float | np.integer | np.floating) else None


def _to_datetime(raw: Any) -> datetime | None:
    if is_pandas_time(raw) or isinstance(raw, np.datetime64):
        import pandas as pd  # noqa: PLC0415 - a server that predicts has no other use for it

        moment = pd.Timestamp(raw)
        return None if pd.isna(moment) else moment.floor("us").to_pydatetime()
    if isinstance(raw, datetime):
        return raw
    return datetime(raw.year, raw.month, raw.day) if isinstance(raw, date) else None  # noqa: DTZ001


def _parse_text(text: str, rules: ReadingRules) -> datetime | None:
    if (found := _ISO.fullmatch(text)) is not None:
        return _join(*found.group("date", "clock", "zone", "half"))
    if rules.dates in ("day-first", "month-first"):
        if (found := _ORDERED.fullmatch(text)) is not None:
            day, month = found["first"], found["second"]
            if rules.dates == "month-first":
                day, month = month, day
            return _join(f"{found['year']}-{int(month):02}-{int(day):02}", *found.group("clock", "zone", "half"))
    elif rules.dates != "iso" and (moment := _parse_format(text, rules.dates)) is not None:
        return moment
    if (found := _BASIC.fullmatch(text)) is None:
        return None
    year, month, day, clock = found["date"][:4], found["date"][4:6], found["date"][6:], found["clock"]
    if clock is not None:
        clock = ":".join(part for part in (clock[:2], clock[2:4], clock[4:]) if part)
    return _join(f"{year}-{month}-{day}", clock, found["zone"])


def _join(day: str, clock: str | None, zone: str | None, half: str | None = None) -> datetime:
    """The day and time of a text; 24:00 is the start of the next day, and a day without a time has no zone."""
    if clock is None:
        return datetime.fromisoformat(day)
    offset = "" if zone is None else zone.replace("UTC", "Z").replace("GMT", "Z").upper()
    if half is None and clock[1] != ":" and not clock.startswith("24"):  # by far the most, and the fastest
        return datetime.fromisoformat(f"{day}T{clock.replace(',', '.')}{offset}")
    hour, _, rest = clock.partition(":")
    later = 0
    if half is not None:
        if not 1 <= int(hour) <= _NOON:
            raise ValueError(clock)
        hour = str(int(hour) % _NOON + (_NOON if half in "Pp" else 0))
    elif hour == "24" and not rest.strip("0:.,"):
        hour, later = "00", 1
    time = f"{int(hour):02}:{rest or '00'}".replace(",", ".")
    return datetime.fromisoformat(f"{day}T{time}{offset}") + timedelta(days=later)


def _parse_format(text: str, pattern: str) -> datetime | None:
    try:
        moment = datetime.strptime(text, pattern)  # noqa: DTZ007 - the zone follows
    except ValueError:
        return None
    # strptime divides digits anyhow: 1022024 would be the 10th of February by "%d%m%Y".
    return None if text.isdigit() and moment.strftime(pattern) != text else moment


def _to_utc(moment: datetime, rules: ReadingRules) -> datetime:
    if moment.tzinfo is None:
        return moment.replace(tzinfo=UTC)
    return moment.astimezone(_find_zone(rules.timezone)).replace(tzinfo=UTC)


@lru_cache(maxsize=16)
def _find_zone(name: str | None) -> Any:
    return UTC if name is None else ZoneInfo(name)
