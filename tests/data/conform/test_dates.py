"""A date column: one instant, however it is spelt, alone or in a whole column."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tiltyard.data.conform.dates import count_micros, looks_like_date, parse_moment, read_moments
from tiltyard.data.conform.frames import conform_frame, infer_schema
from tiltyard.data.conform.rules import USUAL_RULES, ReadingRules
from tiltyard.errors import DataError

DAY_FIRST = ReadingRules(dates="day-first")
PARIS = ReadingRules(timezone="Europe/Paris")
NEW_YEAR = datetime(2024, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "raw",
    [
        "2024-01-01",
        " 2024-01-01 ",
        "2024-01-01T00:00:00Z",
        "2024-01-01 00:00:00.000000",
        "2024-01-01 00:00:00.0000001",
        "2024-01-01T01:30+01:30",
        "2023-12-31T19:00:00-0500",
        "2024-01-01 00:00 UTC",
        "2024-01-01Z",
        "2024-01-01T00",
        "2024-01-01t00z",
        "2023-12-31T24:00",
        "2023-12-31 24:00:00.000Z",
        "2024-01-01 00:00:00 +0000 UTC",
        "2024-01-01 01:00:00 +0100 CET",
        "2024-01-01 00:00 GMT",
        "20240101",
        20240101,
        20240101.0,
        "20240101T0000Z",
        "20240101T013000+0130",
        date(2024, 1, 1),
        datetime(2024, 1, 1),  # noqa: DTZ001 - without a zone
        np.datetime64("2024-01-01T00:00:00.000000000"),
        pd.Timestamp("2024-01-01T01:00", tz="Europe/Paris"),
    ],
)
def test_one_instant_has_many_spellings(raw: object) -> None:
    """ISO texts with and without time, fraction and zone, and the dates of Python, NumPy and pandas are one value."""
    assert parse_moment(raw) == NEW_YEAR


@pytest.mark.parametrize(
    ("raw", "rules", "meant"),
    [
        ("31.12.2023", DAY_FIRST, datetime(2023, 12, 31, tzinfo=UTC)),
        ("1/2/2024 10:30", DAY_FIRST, datetime(2024, 2, 1, 10, 30, tzinfo=UTC)),
        ("1/2/2024", ReadingRules(dates="month-first"), datetime(2024, 1, 2, tzinfo=UTC)),
        ("1/2/2024 9:05", ReadingRules(dates="month-first"), datetime(2024, 1, 2, 9, 5, tzinfo=UTC)),
        ("1/2/2024 12:05:30 am", DAY_FIRST, datetime(2024, 2, 1, 0, 5, 30, tzinfo=UTC)),
        ("1.2.2024 9:05 PM", DAY_FIRST, datetime(2024, 2, 1, 21, 5, tzinfo=UTC)),
        (1022024, ReadingRules(dates="%d%m%Y"), None),
        (31122023, ReadingRules(dates="%d%m%Y"), datetime(2023, 12, 31, tzinfo=UTC)),
        ("2024-07-01Z", PARIS, datetime(2024, 7, 1, tzinfo=UTC)),
        ("01 Jan 2024", ReadingRules(dates="%d %b %Y"), NEW_YEAR),
        ("2024-01-01", DAY_FIRST, NEW_YEAR),
        ("2024-07-01", PARIS, datetime(2024, 7, 1, tzinfo=UTC)),
        ("2024-07-01T00:00Z", PARIS, datetime(2024, 7, 1, 2, tzinfo=UTC)),
    ],
)
def test_other_orders_and_zones_are_declared(raw: object, rules: ReadingRules, meant: datetime | None) -> None:
    """Days or months first, a format, and the zone of times without one are as the project says."""
    assert parse_moment(raw, rules) == meant


@pytest.mark.parametrize(
    "raw",
    ["2023-02-30", "2024-13-01", "31.12.2023", "20241301", "2024-01-01T24:01", "13:00 pm", "soon", "", 5, 1.7e9, True],
)
def test_what_is_no_date_is_none(raw: object) -> None:
    """Days that do not exist, other orders that were not declared, numbers and words say no instant."""
    assert parse_moment(raw) is None


@settings(max_examples=60, deadline=None, database=None)
@given(
    st.lists(st.datetimes(datetime(1700, 1, 1), datetime(2250, 1, 1)) | st.none(), min_size=1, max_size=8),  # noqa: DTZ001
    st.sampled_from([USUAL_RULES, PARIS]),
)
def test_a_column_reads_as_its_cells_do(moments: list[datetime | None], rules: ReadingRules) -> None:
    """Texts one by one, texts of a column, and a column of timestamps give the same instants, to the microsecond."""
    texts = [None if moment is None else moment.isoformat(sep=" ") for moment in moments]
    one_by_one = [np.nan if text is None else count_micros(parse_moment(text, rules) or NEW_YEAR) for text in texts]
    for column in (pd.Series(texts, dtype=object), pd.Series(moments, dtype="datetime64[us]")):
        found, wrong = read_moments(column, rules)
        micros = np.where(np.isnat(found), np.nan, found.astype(np.int64).astype(np.float64))
        assert not wrong.any()
        assert np.array_equal(micros, one_by_one, equal_nan=True)


def make_frame(days: int = 40) -> pd.DataFrame:
    moments = [NEW_YEAR + timedelta(days=number) for number in range(days)]
    return pd.DataFrame(
        {
            "text": [moment.date().isoformat() for moment in moments],
            "stamp": pd.Series([moment.replace(tzinfo=None) for moment in moments], dtype="datetime64[ns]"),
            "zoned": pd.Series(moments, dtype="datetime64[us, UTC]"),
            "day": [moment.date() for moment in moments],
        }
    )


def test_dates_of_every_format_are_one_column() -> None:
    """Texts of a CSV file, timestamps with and without a zone and dates of Parquet conform to the same values."""
    frame = make_frame()
    schema = infer_schema(frame)
    assert {column.kind for column in schema.columns} == {"time"}
    assert {(column.minimum, column.maximum) for column in schema.columns} == {
        (count_micros(NEW_YEAR), count_micros(NEW_YEAR + timedelta(days=39)))
    }
    conforming = conform_frame(frame, schema)
    for name in frame.columns:
        pd.testing.assert_series_equal(conforming[name], conforming["text"], check_names=False)


def test_a_day_that_does_not_exist_is_refused_or_a_gap() -> None:
    """A date column with 2023-02-30 is refused by row and value, with the key that takes it for a gap."""
    frame = make_frame()[["text"]]
    frame.loc[3, "text"] = "2023-02-30"
    assert looks_like_date("2023-02-30")
    with pytest.raises(DataError, match=r"'2023-02-30' in row 4, where a date belongs") as refused:
        conform_frame(frame, infer_schema(frame))
    assert "data.unreadable_dates" in refused.value.next_step
    frame.loc[4, "text"] = "unknown"
    lenient = ReadingRules(unreadable_dates="gap")
    schema = infer_schema(frame, lenient)
    assert (schema.columns[0].kind, schema.columns[0].nullable) == ("time", True)
    assert conform_frame(frame, schema)["text"].isna().sum() == 2


def test_moments_beyond_the_calendar_are_no_dates() -> None:
    """A moment outside the years 1 to 9999 in the project's zone is not a date, and does not crash."""
    tokyo = ReadingRules(timezone="Asia/Tokyo", dates="%d %b %Y %H:%M %z")
    beyond = (
        datetime(9999, 12, 31, 23, tzinfo=timezone(-timedelta(hours=5))),
        "9999-12-31T23:00Z",
        "31 Dec 9999 23:00 +0000",
        np.datetime64("20240-01-01"),
    )
    assert [parse_moment(raw, tokyo) for raw in beyond] == [None] * 4
    assert parse_moment("9999-12-31 23:00", tokyo) == datetime(9999, 12, 31, 23, tzinfo=UTC)


def test_digits_are_dates_only_among_dates() -> None:
    """20240131 is a number in a column of such numbers, a code among codes, and a date next to dates or as declared."""
    days = [f"202401{day:02}" for day in range(1, 29)]
    codes = [f"0001{place % 12 + 1:02}{place % 28 + 1:02}" for place in range(28)]
    frame = pd.DataFrame(
        {"number": days, "code": codes, "mixed": ["2024-01-31", *days[1:]], "whole": range(20240101, 20240129)}
    )
    assert [column.kind for column in infer_schema(frame).columns] == ["number", "category", "time", "number"]
    declared = infer_schema(frame, ReadingRules(dates="%Y%m%d"))
    assert [column.kind for column in declared.columns] == ["time", "category", "time", "time"]
    assert conform_frame(frame, declared)["whole"].equals(conform_frame(frame, declared)["number"])


def test_a_category_of_timestamps_is_a_column_of_dates() -> None:
    """Timestamps that a file keeps in a dictionary are the same dates as plain ones; texts of dates stay categories."""
    plain = pd.Series(["2024-01-01", "2024-01-02", None, "2024-01-01"], dtype="datetime64[us]")
    frame = pd.DataFrame(
        {"plain": plain, "kept": plain.astype("category"), "text": plain.astype(str).astype("category")}
    )
    frame["zoned"] = plain.dt.tz_localize("UTC").astype("category")
    frame["day"] = plain.dt.date.astype("category")
    schema = infer_schema(frame)
    assert [column.kind for column in schema.columns] == ["time", "time", "category", "time", "time"]
    conforming = conform_frame(frame, schema)
    for name in ("kept", "zoned", "day"):
        pd.testing.assert_series_equal(conforming[name], conforming["plain"], check_names=False)
