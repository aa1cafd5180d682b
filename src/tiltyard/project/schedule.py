"""When something runs by itself: by a cron expression, when files are new, or after so many new rows or labels."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError
from pydantic import AfterValidator

Unit = Literal["rows", "labels"]

_FILES = re.compile(r"(?:when +)?new +files", re.IGNORECASE)
_COUNT = re.compile(r"(?:after +)?([0-9][0-9_,]*) +new +(rows|labels)", re.IGNORECASE)
_FORMS = 'a cron expression of five fields ("0 2 * * *"), "new files", "1000 new rows"'
_SHORT: Mapping[str, str] = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}


@dataclass(frozen=True)
class CronSchedule:
    """At the times that a cron expression names.

    Where clocks are changed, it keeps Debian's rules: a time that is skipped is due when the clocks have changed, one
    that comes twice is due the first time, and what runs every so many minutes or hours runs on.

    Attributes:
        expression: minute, hour, day of the month, month, day of the week.
        time_zone: name of the time zone in which it is meant.
    """

    expression: str
    time_zone: str

    def find_next(self, after: datetime) -> datetime:
        """The next time after a moment, UTC.

        Args:
            after: the moment, with a time zone.
        """
        times = CronSim(self.expression, after.astimezone(ZoneInfo(self.time_zone)))
        due = next(times).astimezone(UTC)
        while due <= after:  # in the hour that comes twice, a time of its first pass
            due = next(times).astimezone(UTC)
        return due


@dataclass(frozen=True)
class NewFiles:
    """When files are there that were not there before."""


@dataclass(frozen=True)
class NewRows:
    """After so many new rows, or labels from production.

    Attributes:
        count: how many.
        unit: what is counted.
    """

    count: int
    unit: Unit


Schedule = CronSchedule | NewFiles | NewRows


def read_schedule(written: str, time_zone: str) -> Schedule:
    """What a schedule of the project file means.

    Args:
        written: as the file writes it.
        time_zone: of a cron expression.

    Raises:
        ValueError: it means nothing, or never comes.
    """
    text = " ".join(written.split())
    if _FILES.fullmatch(text):
        return NewFiles()
    counted = _COUNT.fullmatch(text)
    if counted:
        count = int(counted[1].replace("_", "").replace(",", ""))
        if count < 1:
            raise ValueError("it counts from 1 on")
        return NewRows(count, "rows" if counted[2].lower() == "rows" else "labels")
    expression = _SHORT.get(text.lower(), text)
    if len(expression.split()) != 5:
        raise ValueError(f"it is none of {_FORMS}")
    try:
        next(CronSim(expression, datetime(2026, 1, 1, tzinfo=UTC)))
    except CronSimError as error:
        raise ValueError(f"{str(error).lower()}; it is none of {_FORMS}") from None
    except StopIteration:
        raise ValueError("no day is ever like that") from None
    return CronSchedule(expression, time_zone)


def _check_schedule(written: str) -> str:
    read_schedule(written, "UTC")
    return written


def _check_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError('it is not a time zone; write a name like "Europe/Berlin" or "UTC"') from None
    return name


ScheduleText = Annotated[str, AfterValidator(_check_schedule)]
TimeZone = Annotated[str, AfterValidator(_check_zone)]


def require_unit(written: str | None, units: frozenset[str], what: str) -> None:
    """Refuse a schedule that counts what is not there to count.

    Raises:
        ValueError: it does.
    """
    found: Any = None if written is None else read_schedule(written, "UTC")
    if isinstance(found, NewRows) and found.unit not in units:
        raise ValueError(f"schedule: {what} has no {found.unit} to count; count {' or '.join(sorted(units))}")
